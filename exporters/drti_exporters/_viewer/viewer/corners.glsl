#version 300 es
// Four corners in the frame (clip coordinates) that show a rectangle of a texture.
uniform vec2 place[4];
uniform vec4 part;
out vec2 v_texcoord;
void main() {
  v_texcoord = mix(part.xy, part.zw, vec2(gl_VertexID & 1, gl_VertexID >> 1));
  gl_Position = vec4(place[gl_VertexID], 0.0, 1.0);
}
