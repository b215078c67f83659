vec3 drti_to_screen(vec3 v) {
  return drti_linear_to_srgb(clamp(mat3($columns) * drti_light(v), 0.0, 1.0));
}
