vec4 $target[$rows];
for (int o = 0; o < $rows; o++) {
  int at = $start + o * $stride;
  vec4 sum = drti_weight(at);
  for (int i = 0; i < $columns; i++) {
    sum += mat4(drti_weight(at + 1), drti_weight(at + 2), drti_weight(at + 3), drti_weight(at + 4))
      * $inputs[i];
    at += 4;
  }
  $target[o] = $result;
}
