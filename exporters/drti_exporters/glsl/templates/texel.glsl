  ivec2 size = $size;
  ivec2 texel = clamp(ivec2(floor(at * vec2(size))), ivec2(0), size - 1);
