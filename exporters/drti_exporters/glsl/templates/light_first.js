  const first = (count, terms) => (x, y, z) => terms(x, y, z).slice(0, count);
