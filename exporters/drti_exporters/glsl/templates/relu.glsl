$type drti_relu($type v) {
  return max(v, 0.0);
}
