  const grid = (side) => (x, y, z) => {
    const length = Math.abs(x) + Math.abs(y) + Math.abs(z), last = side - 1;
    const place = (v) => Math.max(0, Math.min(1, (v / length + 1) / 2)) * last;
    const u = place(x + y), v = place(y - x);
    const column = Math.min(Math.floor(u), Math.max(side - 2, 0));
    const row = Math.min(Math.floor(v), Math.max(side - 2, 0));
    const weights = new Float64Array(side * side);
    for (const dy of [0, 1])
      for (const dx of [0, 1])
        weights[Math.min(column + dx, last) + Math.min(row + dy, last) * side] +=
          Math.abs(1 - dx - (u - column)) * Math.abs(1 - dy - (v - row));
    return weights;
  };
