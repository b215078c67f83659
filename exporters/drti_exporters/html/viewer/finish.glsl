#version 300 es
// Exposure (finish.x, a factor of linear light), and the views of normals and highlights. The relief
// holds x and y of the normal and the luma of the albedo; highlights: drti_core.enhance.Specular.
precision highp float;
precision highp int;
uniform sampler2D drti_picture, drti_relief;
uniform vec4 drti_finish;
uniform vec3 drti_half;
uniform vec2 drti_size;
uniform int drti_mode;
in vec2 v_texcoord;
out vec4 drti_color;
const vec3 LUMA = vec3(0.2126, 0.7152, 0.0722);
vec3 linear(vec3 v) {
  return mix(v / 12.92, pow((v + 0.055) / 1.055, vec3(2.4)), step(0.04045, v));
}
vec3 encoded(vec3 v) {
  return mix(12.92 * v, 1.055 * pow(v, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, v));
}
void main() {
  vec3 shown = texture(drti_picture, gl_FragCoord.xy / drti_size).rgb;
  if (drti_mode > 0) {
    vec3 found = texture(drti_relief, v_texcoord).rgb;
    vec2 slope = 2.0 * found.xy - 1.0;
    vec3 normal = normalize(vec3(slope, sqrt(max(0.0, 1.0 - dot(slope, slope)))));
    if (drti_mode == 2) {
      drti_color = vec4(0.5 + 0.5 * normal, 1.0);
      return;
    }
    float share = clamp(dot(shown, LUMA) / max(found.z, 0.1), 0.0, 1.0);
    float near = pow(max(dot(normal, drti_half), 1e-6), drti_finish.w);
    shown = clamp(drti_finish.y * shown + drti_finish.z * share * near, 0.0, 1.0);
  }
  if (drti_finish.x != 1.0) shown = encoded(clamp(linear(shown) * drti_finish.x, 0.0, 1.0));
  drti_color = vec4(shown, 1.0);
}
