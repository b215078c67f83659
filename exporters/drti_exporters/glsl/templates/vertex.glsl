// One triangle that covers the viewport, made of three vertices without attributes.
void main() {
  vec2 corner = vec2(float(($vertex << 1) & 2), float($vertex & 2));
  v_texcoord = vec2(corner.x, $down);
  gl_Position = vec4(2.0 * corner - 1.0, 0.0, 1.0);
}
