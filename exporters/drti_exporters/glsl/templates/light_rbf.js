  const shares = (values) => {
    const total = values.reduce((sum, value) => sum + value, 0);
    return values.map((value) => value / total);
  };
  const rbf = (centres, sigma) => (x, y, z) => {
    const exponents = [];
    for (let i = 0; i < centres.length; i += 3) {
      const dx = x - centres[i], dy = y - centres[i + 1], dz = z - centres[i + 2];
      exponents.push(-(dx * dx + dy * dy + dz * dz) / (sigma * sigma));
    }
    const top = exponents.reduce((a, b) => Math.max(a, b));
    const near = shares(exponents.map((value) => Math.exp(value - top)));
    return shares(near.map((share) => (share <= $cutoff ? 0 : share)));
  };
