const vec3 drti_curve[$count] = vec3[$count]($values);
vec3 drti_light(vec3 v) {
  vec3 at = v * $last.0;
  ivec3 low = min(ivec3(at), ivec3($last - 1));
  vec3 from = vec3(drti_curve[low.r].r, drti_curve[low.g].g, drti_curve[low.b].b);
  vec3 to = vec3(drti_curve[low.r + 1].r, drti_curve[low.g + 1].g, drti_curve[low.b + 1].b);
  return mix(from, to, at - vec3(low));
}
