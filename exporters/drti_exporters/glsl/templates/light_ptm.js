  const ptm = (x, y) => [1, x, y, x * x, x * y, y * y];
