
void main() {
  drti_color = vec4(drti_sample(v_texcoord), 1.0);
}
