#version 300 es
// A rectangle of the frame (clip coordinates) that shows a rectangle of a texture.
uniform vec4 place, part;
out vec2 v_texcoord;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  v_texcoord = mix(part.xy, part.zw, corner);
  gl_Position = vec4(mix(place.xy, place.zw, corner), 0.0, 1.0);
}
