
vec4 drti_weight(int n) {
  return texelFetch(drti_weights, ivec2(n % $width, n / $width), 0);
}
