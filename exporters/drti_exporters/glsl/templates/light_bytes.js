  // Rows of bytes, each with a first value and a step; of a row's bytes the differences are given.
  const bytes = (text, ranges) => {
    const codes = data(text), range = floats(ranges), columns = 2 * codes.length / range.length;
    return Float64Array.from(codes, (code, i) => {
      if (i % columns) codes[i] += codes[i - 1];
      const row = 2 * Math.floor(i / columns);
      return range[row] + range[row + 1] * codes[i];
    });
  };
