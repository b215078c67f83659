#version 330 core

in vec2 v_texcoord;
out vec4 drti_color;
