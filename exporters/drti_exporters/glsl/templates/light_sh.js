  const sh = (x, y, z) => {
    const a = Math.sqrt(3 / (4 * Math.PI)), b = Math.sqrt(15 / (4 * Math.PI));
    return [
      Math.sqrt(1 / (4 * Math.PI)), a * y, a * z, a * x, b * x * y, b * y * z,
      Math.sqrt(5 / (16 * Math.PI)) * (3 * z * z - 1), b * x * z, b / 2 * (x * x - y * y)];
  };
