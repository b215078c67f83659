#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;

in vec2 v_texcoord;
out vec4 drti_color;

uniform vec4 drti_u[1];
uniform vec4 drti_window;
uniform sampler2D plane_0;
uniform sampler2D plane_1;

vec3 drti_relu(vec3 v) {
  return max(v, 0.0);
}

vec3 drti_linear_to_srgb(vec3 v) {
  return mix(12.92 * v, 1.055 * pow(v, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, v));
}

vec3 drti_decode(vec3 p0, vec3 p1, vec2 xy) {
  vec3 a0 = drti_u[0].xyz
    + mat2x3(-1., -.4375, .125, -.5625, 0., .5625) * xy
    + mat3(-.25, .875, 2., .625, 1.75, -1.25, 1.5, -1.5, -.375) * p0
    + vec3(-1.75, -.625, .5) * p1.x;
  a0 = drti_relu(a0);
  vec3 rgb = a0;
  return drti_linear_to_srgb(clamp(rgb, 0.0, 1.0));
}

vec3 drti_sample(vec2 at) {
  return drti_decode(texture(plane_0, at).rgb, texture(plane_1, at).rgb, drti_window.xy + at * drti_window.zw);
}

vec3 drti_exact(vec2 at) {
  ivec2 size = textureSize(plane_0, 0).xy;
  ivec2 texel = clamp(ivec2(floor(at * vec2(size))), ivec2(0), size - 1);
  return drti_decode(texelFetch(plane_0, texel, 0).rgb, texelFetch(plane_1, texel, 0).rgb, drti_window.xy + at * drti_window.zw);
}

void main() {
  drti_color = vec4(drti_sample(v_texcoord), 1.0);
}
