#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;

in vec2 v_texcoord;
out vec4 drti_color;

uniform vec4 drti_u[9];
uniform sampler2D plane_0;
uniform sampler2D plane_1;
uniform sampler2D plane_2;
uniform sampler2D plane_3;
uniform sampler2D plane_4;
uniform sampler2D plane_5;
uniform sampler2D plane_6;
uniform sampler2D plane_7;
uniform sampler2D plane_8;

vec3 drti_decode(vec3 p0, vec3 p1, vec3 p2, vec3 p3, vec3 p4, vec3 p5, vec3 p6, vec3 p7, vec3 p8) {
  vec3 a0 = drti_u[0].xyz
    + vec3(.7978846, .7978846, .7978846) * p0
    + drti_u[1].xyz * p1
    + drti_u[2].xyz * p2
    + drti_u[3].xyz * p3
    + drti_u[4].xyz * p4
    + drti_u[5].xyz * p5
    + drti_u[6].xyz * p6
    + drti_u[7].xyz * p7
    + drti_u[8].xyz * p8;
  vec3 rgb = a0;
  return clamp(rgb, 0.0, 1.0);
}

vec3 drti_sample(vec2 at) {
  return drti_decode(texture(plane_0, at).rgb, texture(plane_1, at).rgb, texture(plane_2, at).rgb, texture(plane_3, at).rgb, texture(plane_4, at).rgb, texture(plane_5, at).rgb, texture(plane_6, at).rgb, texture(plane_7, at).rgb, texture(plane_8, at).rgb);
}

vec3 drti_exact(vec2 at) {
  ivec2 size = textureSize(plane_0, 0).xy;
  ivec2 texel = clamp(ivec2(floor(at * vec2(size))), ivec2(0), size - 1);
  return drti_decode(texelFetch(plane_0, texel, 0).rgb, texelFetch(plane_1, texel, 0).rgb, texelFetch(plane_2, texel, 0).rgb, texelFetch(plane_3, texel, 0).rgb, texelFetch(plane_4, texel, 0).rgb, texelFetch(plane_5, texel, 0).rgb, texelFetch(plane_6, texel, 0).rgb, texelFetch(plane_7, texel, 0).rgb, texelFetch(plane_8, texel, 0).rgb);
}

void main() {
  drti_color = vec4(drti_sample(v_texcoord), 1.0);
}
