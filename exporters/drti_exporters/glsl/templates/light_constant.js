  const constant = () => [1];
