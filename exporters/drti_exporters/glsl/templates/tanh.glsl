// Beyond 10 it is 1 in float32, and some drivers overflow.
$type drti_tanh($type v) {
  return tanh(clamp(v, -10.0, 10.0));
}
