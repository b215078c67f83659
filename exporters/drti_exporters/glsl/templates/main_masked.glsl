
void main() {
  drti_color = vec4(drti_sample(v_texcoord), texture(drti_mask, v_texcoord).r);
}
