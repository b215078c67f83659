// What drti-layer.js uses of OpenLIME, in as few lines as it takes to draw one picture of the
// layout image: for tests where OpenLIME itself is not there. Written from its documented interface.
export class Shader {
  constructor() {
    Object.assign(this, {samplers: [], uniforms: {}, filters: [], needsUpdate: true, listeners: []});
  }
  addEvent(_, call) { this.listeners.push(call); }
  setUniform(name, value) {
    Object.assign(this.uniforms[name], {value, needsUpdate: true});
    this.listeners.forEach((call) => call());
  }
  setMode(mode) {
    if (!this.modes.includes(mode)) throw new Error(`Unknown mode: ${mode}`);
    this.mode = mode;
    this.needsUpdate = true;
  }
  setTileSize() {}
  createProgram(gl) {
    const program = (this.program = gl.createProgram());
    const head = `#version 300 es
precision highp float;
vec3 srgb2linear(vec3 v) { return pow(v, vec3(2.2)); }
`;
    const main = "out vec4 color;\nvoid main() { color = data(); }\n";
    for (const [kind, text] of [[gl.VERTEX_SHADER, this.vertShaderSrc(gl)],
      [gl.FRAGMENT_SHADER, head + this.fragShaderSrc(gl) + main]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw gl.getShaderInfoLog(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw gl.getProgramInfoLog(program);
    this.needsUpdate = false;
  }
  updateUniforms(gl) {
    const set = {vec4: "uniform4fv", vec3: "uniform3fv"};
    for (const [name, {type, value}] of Object.entries(this.uniforms))
      gl[set[type]](gl.getUniformLocation(this.program, name), value);
  }
}

export class Raster {
  async load(gl, url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, image);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
      gl.texParameteri(gl.TEXTURE_2D, filter, gl.LINEAR);
    for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T])
      gl.texParameteri(gl.TEXTURE_2D, wrap, gl.CLAMP_TO_EDGE);
    return texture;
  }
}

export class Layout {
  constructor(url, type, options) { Object.assign(this, {type, calls: []}, options); }
  addEvent(_, call) { this.calls.push(call); }
  setUrls(urls) {
    this.urls = urls;
    this.status = "ready";
    this.calls.forEach((call) => call());
  }
}

export class Layer {
  constructor({type, ...options}) {
    if (type) return this.types[type](options);
    Object.assign(this, {shaders: {}, controls: {}, transform: {a: 0}}, options);
  }
  addControl(name, value) { this.controls[name] = {current: {value}}; }
  setControl(name, value) { this.controls[name].current.value = value; }
  setShader(name) { this.shader = this.shaders[name]; }
  getModes() { return this.shader.modes; }
  setMode(mode) { this.shader.setMode(mode); }
  setLayout(layout) {
    this.layout = layout;
    layout.addEvent("ready", () => { this.status = "ready"; });
  }
  async fetch() {
    this.textures = [];
    for (const {id} of this.shader.samplers)
      this.textures.push(await this.rasters[id].load(this.gl, this.layout.urls[id]));
  }
  interpolateControls() { return true; }
  prepareWebGL() {
    if (this.shader.needsUpdate) this.shader.createProgram(this.gl);
    this.gl.useProgram(this.shader.program);
    this.shader.updateUniforms(this.gl);
  }
  draw({a, turn = 0}) {
    this.interpolateControls();
    this.prepareWebGL();
    const {gl, shader, layout} = this, {program} = shader;
    const attribute = (name, size, values) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(values), gl.STATIC_DRAW);
      const at = gl.getAttribLocation(program, name);
      if (at < 0) return;
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, gl.FLOAT, false, 0, 0);
    };
    const [w, h] = [layout.width / 2, layout.height / 2];
    attribute("a_position", 3, [-w, -h, 0, -w, h, 0, w, -h, 0, w, h, 0]);
    attribute("a_texcoord", 2, [0, 1, 0, 0, 1, 1, 1, 0]);
    const matrix = [1 / w, 0, 0, 0, 0, 1 / h, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    gl.uniformMatrix4fv(gl.getUniformLocation(program, "u_matrix"), false, matrix);
    shader.samplers.forEach(({id, name}, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, this.textures[id]);
      gl.uniform1i(gl.getUniformLocation(program, name), unit);
    });
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}
Layer.prototype.types = {};
