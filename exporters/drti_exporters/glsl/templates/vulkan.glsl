#version 450

layout(location = 0) in vec2 v_texcoord;
layout(location = 0) out vec4 drti_color;
