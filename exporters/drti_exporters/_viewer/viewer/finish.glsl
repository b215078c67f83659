#version 300 es
// Exposure (finish.x, a factor of linear light), and the views of normals and highlights. The relief
// holds x and y of the normal and the luma of the albedo; highlights: drti_core.enhance.Specular.
// What is outside a mask (cut) is transparent: the planes are black there, so that at its edge, where
// texels are mixed, colours are multiplied by the share that is inside.
precision highp float;
uniform sampler2D picture, relief, mask;
uniform vec4 finish;
uniform vec3 halfway;
uniform vec2 size;
uniform int mode;
uniform bool cut;
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
  vec3 shown = texture(picture, gl_FragCoord.xy / size).rgb;
  float inside = cut ? texture(mask, v_texcoord).r : 1.0;
  if (mode > 0) {
    vec3 found = texture(relief, v_texcoord).rgb;
    vec2 slope = 2.0 * found.xy - 1.0;
    vec3 normal = normalize(vec3(slope, sqrt(max(0.0, 1.0 - dot(slope, slope)))));
    if (mode == 2) {
      drti_color = vec4((0.5 + 0.5 * normal) * inside, inside);
      return;
    }
    float share = clamp(dot(shown, LUMA) / max(found.z, 0.1), 0.0, 1.0);
    float near = pow(max(dot(normal, halfway), 1e-6), finish.w);
    shown = clamp(finish.y * shown + finish.z * share * near, 0.0, 1.0);
  }
  if (finish.x != 1.0) shown = encoded(clamp(linear(shown) * finish.x, 0.0, 1.0));
  drti_color = vec4(min(shown, inside), inside);
}
