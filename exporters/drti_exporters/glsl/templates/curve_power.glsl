vec3 drti_light(vec3 v) {
  return mix($c * v + $f, pow(max($a * v + $b, 0.0), $g) + $e, step($d, v));
}
