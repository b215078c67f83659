#version 450

layout(location = 0) in vec2 v_texcoord;
layout(location = 0) out vec4 drti_color;

layout(std140, set = 0, binding = 0) uniform DrtiUniforms {
  vec4 drti_u[4];
};
layout(set = 0, binding = 1) uniform sampler2D plane_0;
layout(set = 0, binding = 2) uniform sampler2D plane_1;
layout(set = 0, binding = 3) uniform sampler2D plane_2;

// elu(v) + 1: its -1 is in the bias of the next layer.
vec2 drti_elu(vec2 v) {
  return max(v, 0.0) + exp(min(v, 0.0));
}

// elu(v) + 1: its -1 is in the bias of the next layer.
vec4 drti_elu(vec4 v) {
  return max(v, 0.0) + exp(min(v, 0.0));
}

vec3 drti_decode(vec3 p0, vec3 p1, vec3 p2) {
  vec4 a0 = drti_u[0]
    + mat3x4(-2., 1.75, 1.375, 1., -1.125, -1.5, -1.875, 1.875, -.25, -.625, -1., -1.375) * p0
    + mat3x4(.625, .25, -.125, -.5, 1.5, 1.125, .75, .375, -1.75, 2., 1.625, 1.25) * p1
    + mat3x4(-.875, -1.25, -1.625, -2., 0., -.375, -.75, -1.125, .875, .5, .125, -.25) * p2;
  a0 = drti_elu(a0);
  vec2 a1 = drti_u[1].xy
    + mat3x2(.625, .25, 1.5, 1.125, -1.75, 2.) * p0
    + mat3x2(-.875, -1.25, 0., -.375, .875, .5) * p1
    + mat3x2(1.75, 1.375, -1.5, -1.875, -.625, -1.) * p2;
  a1 = drti_elu(a1);
  vec4 b0 = drti_u[2]
    + mat4(-1., -.4375, .125, .6875, -.5625, 0., .5625, -.9375, -.125, .4375, 1., -.5, .3125, .875, -.625, -.0625) * a0
    + mat2x4(.75, -.75, -.1875, .375, -.875, -.3125, .25, .8125) * a1;
  b0 = drti_elu(b0);
  vec2 b1 = drti_u[3].xy
    + mat4x2(-.8125, -.25, -.375, .1875, .0625, .625, .5, -1.) * a0
    + mat2(.9375, -.5625, -.6875, -.125) * a1;
  b1 = drti_elu(b1);
  vec3 c0 = vec3(.5, -.375, -1.25)
    + mat4x3(-1., -.4375, .125, -.5625, 0., .5625, -.125, .4375, 1., .3125, .875, -.625) * b0
    + mat2x3(.75, -.75, -.1875, -.875, -.3125, .25) * b1;
  vec3 rgb = c0;
  return clamp(rgb, 0.0, 1.0);
}

vec3 drti_sample(vec2 at) {
  return drti_decode(texture(plane_0, at).rgb, texture(plane_1, at).rgb, texture(plane_2, at).rgb);
}

vec3 drti_exact(vec2 at) {
  ivec2 size = textureSize(plane_0, 0).xy;
  ivec2 texel = clamp(ivec2(floor(at * vec2(size))), ivec2(0), size - 1);
  return drti_decode(texelFetch(plane_0, texel, 0).rgb, texelFetch(plane_1, texel, 0).rgb, texelFetch(plane_2, texel, 0).rgb);
}

void main() {
  drti_color = vec4(drti_sample(v_texcoord), 1.0);
}
