#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;

in vec2 v_texcoord;
out vec4 drti_color;

uniform vec4 drti_u[1];
uniform sampler2D plane_0;
uniform sampler2D plane_1;

// elu(v) + 1: its -1 is in the bias of the next layer.
float drti_elu(float v) {
  return max(v, 0.0) + exp(min(v, 0.0));
}

// elu(v) + 1: its -1 is in the bias of the next layer.
vec4 drti_elu(vec4 v) {
  return max(v, 0.0) + exp(min(v, 0.0));
}

vec3 drti_decode(vec3 p0, vec3 p1) {
  vec4 a0 = vec4(-.625, 0., .625, -.8125)
    + mat3x4(-2., -1.625, -1.25, -.875, 1.5, 1.875, -1.875, -1.5, .875, 1.25, 1.625, 2.) * p0
    + mat3x4(.25, .625, 1., 1.375, -.375, 0., .375, .75, -1., -.625, -.25, .125) * p1
    + drti_u[0].y * (vec4(-.75, -.125, .5, 1.125) + mat3x4(-1.125, -.75, -.375, 0., -1.75, -1.375, -1., -.625, 1.75, -2., -1.625, -1.25) * p0 + mat3x4(1.125, 1.5, 1.875, -1.875, .5, .875, 1.25, 1.625, -.125, .25, .625, 1.) * p1)
    + drti_u[0].z * (vec4(-.875, -.25, .375, 1.) + mat3x4(-.25, .125, .5, .875, -.875, -.5, -.125, .25, -1.5, -1.125, -.75, -.375) * p0 + mat3x4(2., -1.75, -1.375, -1., 1.375, 1.75, -2., -1.625, .75, 1.125, 1.5, 1.875) * p1)
    + drti_u[0].w * (vec4(1.0625, -.375, .25, -1.1875) + mat3x4(.625, 1., 1.375, 1.75, 0., .375, .75, 1.125, -.625, -.25, .125, .5) * p0 + mat3x4(-1.25, -.875, -.5, -.125, -1.875, -1.5, -1.125, -.75, 1.625, 2., -1.75, -1.375) * p1);
  a0 = drti_elu(a0);
  float a1 = -.1875
    + dot(vec3(-.5, -1.125, -1.75), p0)
    + dot(vec3(1.75, 1.125, .5), p1)
    + drti_u[0].y * (-.3125 + dot(vec3(.375, -.25, -.875), p0) + dot(vec3(-1.5, 2., 1.375), p1))
    + drti_u[0].z * (1.625 + dot(vec3(1.25, .625, 0.), p0) + dot(vec3(-.625, -1.25, -1.875), p1))
    + drti_u[0].w * (-.5625 + dot(vec3(-2., 1.5, .875), p0) + dot(vec3(.25, -.375, -1.), p1));
  a1 = drti_elu(a1);
  vec3 b0 = vec3(-1.125, .1875, 1.5)
    + mat4x3(-1., -.5, 0., .75, -.8125, -.3125, .4375, .9375, -.625, .125, .625, -.9375) * a0
    + vec3(-.1875, .3125, .8125) * a1
    + drti_u[0].y * (vec3(-.8125, .5, 1.8125) + mat4x3(-.5625, -.0625, .4375, -.875, -.375, .125, .875, -.6875, -.1875, .5625, -1., -.5) * a0 + vec3(.25, .75, -.8125) * a1)
    + drti_u[0].z * (vec3(-.5, .8125, -2.) + mat4x3(-.125, .375, .875, -.4375, .0625, .5625, -.75, -.25, .25, 1., -.5625, -.0625) * a0 + vec3(.6875, -.875, -.375) * a1)
    + drti_u[0].w * (vec3(1.875, -.9375, -1.6875) + mat4x3(.3125, .8125, -.75, 0., .5, 1., -.3125, .1875, .6875, -.625, -.125, .375) * a0 + vec3(-.9375, -.4375, .0625) * a1);
  vec3 rgb = b0;
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
