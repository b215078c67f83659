  const hsh = (exponent) => (x, y, z) => {
    const c = Math.cos(Math.min(Math.acos(Math.max(-1, Math.min(1, z))), $max_theta));
    const phi = Math.atan2(y, x), root = (v) => Math.sqrt(v / Math.PI);
    const s = Math.sqrt(c - c * c), q = c * c - c, t = 2 * c - 1;
    const edge = Math.pow(-q, exponent), cubic = s * (1 - 5 * c + 5 * c * c);
    return [
      root(1 / 2), root(6) * Math.cos(phi) * s, root(3 / 2) * t, root(6) * Math.sin(phi) * s,
      root(30) * Math.cos(2 * phi) * q, root(30) * Math.cos(phi) * t * s,
      root(5 / 2) * (1 - 6 * c + 6 * c * c), root(30) * Math.sin(phi) * t * s,
      root(30) * Math.sin(2 * phi) * q,
      2 * root(35) * Math.cos(3 * phi) * edge, root(210) * Math.cos(2 * phi) * t * q,
      2 * root(21) * Math.cos(phi) * cubic,
      root(7 / 2) * (-1 + 12 * c - 30 * c * c + 20 * c * c * c),
      2 * root(21) * Math.sin(phi) * cubic, root(210) * Math.sin(2 * phi) * t * q,
      2 * root(35) * Math.sin(3 * phi) * edge];
  };
