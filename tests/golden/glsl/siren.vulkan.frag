#version 450

layout(location = 0) in vec2 v_texcoord;
layout(location = 0) out vec4 drti_color;

layout(std140, set = 0, binding = 0) uniform DrtiUniforms {
  vec4 drti_u[2];
  vec4 drti_window;
};

vec3 drti_sigmoid(vec3 v) {
  return 1.0 / (1.0 + exp(-v));
}

// Brought to -pi..pi first, by 2 pi in two parts: beyond, the sine of many GPUs is inexact.
vec2 drti_sine(vec2 v) {
  vec2 turns = floor(v * 0.15915494 + 0.5);
  return sin((v - turns * 6.28125) - turns * 0.0019353072);
}

// Brought to -pi..pi first, by 2 pi in two parts: beyond, the sine of many GPUs is inexact.
vec4 drti_sine(vec4 v) {
  vec4 turns = floor(v * 0.15915494 + 0.5);
  return sin((v - turns * 6.28125) - turns * 0.0019353072);
}

vec3 drti_srgb_to_linear(vec3 v) {
  return mix(v / 12.92, pow((v + 0.055) / 1.055, vec3(2.4)), step(0.04045, v));
}

vec3 drti_decode(vec2 xy) {
  vec4 a0 = drti_u[0]
    + mat2x4(-32., -4., 24., -14., -18., 10., -28., 0.) * xy;
  a0 = drti_sine(a0);
  vec2 a1 = drti_u[1].xy
    + mat2(14., -24., 28., -10.) * xy;
  a1 = drti_sine(a1);
  vec3 b0 = vec3(-1., -.5625, -.125)
    + mat4x3(-1., -.4375, .125, -.5625, 0., .5625, -.125, .4375, 1., .3125, .875, -.625) * a0
    + mat2x3(.75, -.75, -.1875, -.875, -.3125, .25) * a1;
  b0 = drti_sigmoid(b0);
  vec3 rgb = b0;
  return drti_srgb_to_linear(clamp(rgb, 0.0, 1.0));
}

vec3 drti_sample(vec2 at) {
  return drti_decode(drti_window.xy + at * drti_window.zw);
}

vec3 drti_exact(vec2 at) {
  return drti_decode(drti_window.xy + at * drti_window.zw);
}

void main() {
  drti_color = vec4(drti_sample(v_texcoord), 1.0);
}
