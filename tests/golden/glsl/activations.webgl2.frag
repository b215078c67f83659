#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;

in vec2 v_texcoord;
out vec4 drti_color;

uniform sampler2D plane_0;
uniform sampler2D plane_1;

// Beyond 10 it is 1 in float32, and some drivers overflow.
float drti_tanh(float v) {
  return tanh(clamp(v, -10.0, 10.0));
}

// Beyond 10 it is 1 in float32, and some drivers overflow.
vec2 drti_tanh(vec2 v) {
  return tanh(clamp(v, -10.0, 10.0));
}

// Beyond 10 it is 1 in float32, and some drivers overflow.
vec3 drti_tanh(vec3 v) {
  return tanh(clamp(v, -10.0, 10.0));
}

// Beyond 10 it is 1 in float32, and some drivers overflow.
vec4 drti_tanh(vec4 v) {
  return tanh(clamp(v, -10.0, 10.0));
}

vec3 drti_decode(vec3 p0, vec3 p1) {
  vec2 a0 = vec2(.375, 0.)
    + mat3x2(-2., 1.5, -1.125, -1.75, -.25, -.875) * p0
    + vec2(.625, 0.) * p1.x;
  a0 = drti_tanh(a0);
  vec3 b0 = vec3(-1., -.5625, -.125)
    + mat2x3(-1., -.125, .75, -.5625, .3125, -.875) * a0;
  b0 = drti_tanh(b0);
  vec4 c0 = vec4(-1., -.5625, -.125, .3125)
    + mat3x4(-1., .3125, -.4375, .875, -.5625, .75, 0., -.75, -.125, -.875, .4375, -.3125) * b0;
  c0 = drti_tanh(c0);
  float c1 = .75
    + dot(vec3(.125, .5625, 1.), b0);
  c1 = drti_tanh(c1);
  vec3 d0 = vec3(-1., -.5625, -.125)
    + mat4x3(-1., -.875, -.75, -.5625, -.4375, -.3125, -.125, 0., .125, .3125, .4375, .5625) * c0
    + vec3(.75, .875, 1.) * c1;
  vec3 rgb = d0;
  return clamp(rgb, 0.0, 1.0);
}

vec3 drti_sample(vec2 at) {
  return drti_decode(texture(plane_0, at).rgb, texture(plane_1, at).rgb);
}

vec3 drti_exact(vec2 at) {
  ivec2 size = textureSize(plane_0, 0).xy;
  ivec2 texel = clamp(ivec2(floor(at * vec2(size))), ivec2(0), size - 1);
  return drti_decode(texelFetch(plane_0, texel, 0).rgb, texelFetch(plane_1, texel, 0).rgb);
}

void main() {
  drti_color = vec4(drti_sample(v_texcoord), 1.0);
}
