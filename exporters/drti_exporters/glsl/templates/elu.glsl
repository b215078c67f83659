// elu(v) + 1: its -1 is in the bias of the next layer.
$type drti_elu($type v) {
  return max(v, 0.0) + exp(min(v, 0.0));
}
