#version 330 core
out vec2 v_texcoord;

// One triangle that covers the viewport, made of three vertices without attributes.
void main() {
  vec2 corner = vec2(float((gl_VertexID << 1) & 2), float(gl_VertexID & 2));
  v_texcoord = vec2(corner.x, 1.0 - corner.y);
  gl_Position = vec4(2.0 * corner - 1.0, 0.0, 1.0);
}
