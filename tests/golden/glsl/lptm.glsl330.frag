#version 330 core

in vec2 v_texcoord;
out vec4 drti_color;

uniform vec4 drti_u[3];
uniform sampler2D plane_0;
uniform sampler2D plane_1;
uniform sampler2D plane_2;

vec3 drti_decode(vec3 p0, vec3 p1, vec3 p2) {
  float a0 = drti_u[0].x
    + dot(drti_u[1].xyz, p1)
    + dot(drti_u[2].xyz, p2);
  vec3 rgb = (vec3(a0)) * (p0 * vec3(2., 2., 2.) + vec3(-1., -1., -1.));
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
