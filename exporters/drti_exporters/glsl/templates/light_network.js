  const activations = {
    none: (v) => v,
    relu: (v) => Math.max(v, 0),
    elu: (v) => (v > 0 ? v : Math.expm1(v)),
    tanh: Math.tanh,
    sigmoid: (v) => 0.5 + 0.5 * Math.tanh(v / 2),
    sine: (v, omega) => Math.sin(omega * v),
  };
  const network = (terms, layers) => (x, y, z) => {
    let values = terms(x, y, z);
    for (const [weight, bias, kind, omega] of layers) {
      const n = values.length, from = values;
      values = Array.from(bias, (sum, i) => {
        for (let j = 0; j < n; j++) sum += weight[i * n + j] * from[j];
        return activations[kind](sum, omega);
      });
    }
    return [1, ...values];
  };
