$type drti_sigmoid($type v) {
  return 1.0 / (1.0 + exp(-v));
}
