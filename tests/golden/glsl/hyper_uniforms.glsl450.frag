#version 450 core

layout(location = 0) in vec2 v_texcoord;
layout(location = 0) out vec4 drti_color;

uniform vec4 drti_u[16];
layout(binding = 0) uniform sampler2D plane_0;
layout(binding = 1) uniform sampler2D plane_1;

// elu(v) + 1: its -1 is in the bias of the next layer.
float drti_elu(float v) {
  return max(v, 0.0) + exp(min(v, 0.0));
}

// elu(v) + 1: its -1 is in the bias of the next layer.
vec4 drti_elu(vec4 v) {
  return max(v, 0.0) + exp(min(v, 0.0));
}

vec3 drti_decode(vec3 p0, vec3 p1) {
  vec4 a0 = drti_u[0]
    + drti_u[1] * p0.x
    + drti_u[2] * p0.y
    + drti_u[3] * p0.z
    + drti_u[4] * p1.x
    + drti_u[5] * p1.y
    + drti_u[6] * p1.z;
  a0 = drti_elu(a0);
  float a1 = drti_u[7].x
    + dot(drti_u[8].xyz, p0)
    + dot(drti_u[9].xyz, p1);
  a1 = drti_elu(a1);
  vec3 b0 = drti_u[10].xyz
    + drti_u[11].xyz * a0.x
    + drti_u[12].xyz * a0.y
    + drti_u[13].xyz * a0.z
    + drti_u[14].xyz * a0.w
    + drti_u[15].xyz * a1;
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
