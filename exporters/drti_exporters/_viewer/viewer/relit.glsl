// After the header and body of an emitted shader: one pixel, relit.
uniform bool drti_texels;
void main() {
  drti_color = vec4(drti_texels ? drti_exact(v_texcoord) : drti_sample(v_texcoord), 1.0);
}
