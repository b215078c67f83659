// What the emitter is measured against: a network of 9 latents and the light's x, y, its weights in
// arrays of uniforms that loops run through, one output after another.
uniform sampler2D plane_0, plane_1, plane_2;
uniform vec2 light;
uniform vec4 first_weights[$first], first_biases[$blocks];
uniform vec4 second_weights[$second], second_biases[$blocks];
uniform vec4 last_weights[$last];
uniform vec3 last_biases, low[3], high[3];

vec4 latents[3], hidden[$blocks], deeper[$blocks];

float elu(float v) {
  return v > 0.0 ? v : exp(v) - 1.0;
}

vec3 value(sampler2D plane, int number) {
  return texture(plane, v_texcoord).rgb * (high[number] - low[number]) + low[number];
}

void main() {
  vec3 a = value(plane_0, 0), b = value(plane_1, 1), c = value(plane_2, 2);
  latents[0] = vec4(a, b.x);
  latents[1] = vec4(b.yz, c.xy);
  latents[2] = vec4(c.z, light, 0.0);
  for (int row = 0; row < 4 * $blocks; row++) {
    float total = first_biases[row / 4][row % 4];
    for (int n = 0; n < 3; n++) total += dot(latents[n], first_weights[3 * row + n]);
    hidden[row / 4][row % 4] = elu(total);
  }
  for (int row = 0; row < 4 * $blocks; row++) {
    float total = second_biases[row / 4][row % 4];
    for (int n = 0; n < $blocks; n++) total += dot(hidden[n], second_weights[$blocks * row + n]);
    deeper[row / 4][row % 4] = elu(total);
  }
  vec3 rgb = last_biases;
  for (int row = 0; row < 3; row++)
    for (int n = 0; n < $blocks; n++) rgb[row] += dot(deeper[n], last_weights[$blocks * row + n]);
  drti_color = vec4(clamp(rgb, 0.0, 1.0), 1.0);
}
