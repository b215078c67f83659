// Brought to -pi..pi first, by 2 pi in two parts: beyond, the sine of many GPUs is inexact.
$type drti_sine($type v) {
  $type turns = floor(v * 0.15915494 + 0.5);
  return sin((v - turns * 6.28125) - turns * 0.0019353072);
}
