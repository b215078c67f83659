// Draws a scene with WebGL2 in two passes: the pixels that are seen are relit into a texture,
// which is then finished (exposure, highlight, normals) on the canvas or in another frame.
const CORNERS = %corners.glsl%;
const RELIT = %relit.glsl%;
const FINISH = %finish.glsl%;
const {PI, acos, atan2, ceil, cos, exp, floor, hypot, log2, max, min, round, sin, sqrt} = Math;
const EXACT = {colorSpaceConversion: "none", premultiplyAlpha: "none"};

class Painter {
  // scene: the description; lights: its light stages; blobOf(part): promise of a picture's Blob.
  // changed(): called when a frame would show more than the last one; waiting: how much of what the
  // last frame was to show is not there yet.
  constructor(canvas, scene, lights, blobOf, changed) {
    Object.assign(this, {canvas, scene, lights, blobOf, changed, width: scene.width, height: scene.height});
    this.waiting = 0;
    const gl = this.gl = canvas.getContext("webgl2", {
      antialias: false, depth: false, powerPreference: "high-performance"});
    if (!gl) throw new Error("no WebGL2");
  }

  // Builds everything on the GPU; again after a lost context.
  async build(progress) {
    const gl = this.gl;
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.disable(gl.DITHER);
    this.filters = {};
    for (const [name, small, large] of [["texel", "NEAREST", "NEAREST"],
      ["flat", "LINEAR", "LINEAR"], ["small", "LINEAR_MIPMAP_LINEAR", "LINEAR"]]) {
      const filter = this.filters[name] = gl.createSampler();
      for (const [what, value] of [["MIN_FILTER", small], ["MAG_FILTER", large],
        ["WRAP_S", "CLAMP_TO_EDGE"], ["WRAP_T", "CLAMP_TO_EDGE"]])
        gl.samplerParameteri(filter, gl["TEXTURE_" + what], gl[value]);
    }
    this.finish = this.program(FINISH, CORNERS);
    this.buffer = null;
    for (const {tree} of this.layers || []) if (tree) tree.end();
    const {layers} = this.scene;
    const total = layers.flatMap(({tree, pictures, relief, mask}) => tree ? [1] : [...pictures, relief || [], mask || []].flat()).length;
    let done = 0;
    const step = () => progress(++done, total);
    this.layers = [];
    for (const [number, layer] of layers.entries()) {
      const made = {layer, light: this.lights[number], key: ""};
      // While the first pictures are on their way the shader is compiled.
      if (layer.tree) made.tree = new Tree(layer, this, this.blobOf);
      const root = made.tree && made.tree.load(made.tree.root);
      if (root) root.catch(() => {});
      made.program = this.program(shaderOf(layer) + RELIT, CORNERS);
      if (root) {
        await root;
        step();
      } else await this.whole(made, step);
      if (layer.weights) {
        made.weights = gl.createTexture();
        gl.bindTexture(gl.TEXTURE_2D, made.weights);
        gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, ...layer.weights);
      }
      this.layers.push(made);
    }
    const fault = gl.getError();
    if (fault && !gl.isContextLost()) throw new Error(
      fault === gl.OUT_OF_MEMORY ? "The graphics memory is too small for this picture." : "WebGL error " + fault);
  }

  // All pictures of a layer, at full resolution.
  async whole(made, step) {
    const gl = this.gl, {layer} = made, {array} = layer, tiles = made.tiles = this.grid(layer);
    for (const tile of tiles) {
      tile.planes = array ? [this.texture(tile, layer.pictures.length)] : layer.pictures.map(() => this.texture(tile));
      tile.relief = layer.relief && this.texture(tile);
      tile.mask = layer.mask && this.texture(tile);
    }
    for (const [index, parts] of layer.pictures.entries()) {
      await this.upload(parts, tiles, (tile) => tile.planes[array ? 0 : index], array ? index : -1, step);
    }
    if (layer.relief) await this.upload(layer.relief, tiles, (tile) => tile.relief, -1, step);
    if (layer.mask) await this.upload(layer.mask, tiles, (tile) => tile.mask, -1, step);
    for (const tile of tiles) for (const each of [...tile.planes, tile.relief, tile.mask]) if (each) {
      gl.bindTexture(each.kind, each.name);
      gl.generateMipmap(each.kind);
    }
  }

  program(fragment, vertex) {
    const gl = this.gl, program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      const logs = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
      throw new Error("The shader was refused: " + [gl.getProgramInfoLog(program), ...logs].join("\n").trim());
    }
    const places = {};
    const at = (name) => (places[name] ??= gl.getUniformLocation(program, name));
    return {name: program, at};
  }

  // Rectangles that cover a picture, each no larger than a texture may be. Neighbours share a
  // margin of one texel, so that interpolation knows what comes next.
  grid({width, height}) {
    const gl = this.gl, most = gl.getParameter(gl.MAX_TEXTURE_SIZE), tiles = [];
    const cuts = (size) => {
      if (size <= most) return [[0, size, 0, size]];
      const found = [];
      for (let at = 0; at < size; at += most - 2) {
        const end = min(size, at + most - 2);
        found.push([at, end, max(0, at - 1), min(size, end + 1)]);
      }
      return found;
    };
    for (const [y0, y1, top, bottom] of cuts(height))
      for (const [x0, x1, left, right] of cuts(width))
        tiles.push({x0, y0, x1, y1, left, top, width: right - left, height: bottom - top});
    return tiles;
  }

  texture({width, height}, layers = 0, levels = 1 + floor(log2(max(width, height)))) {
    const gl = this.gl, kind = layers ? gl.TEXTURE_2D_ARRAY : gl.TEXTURE_2D, name = gl.createTexture();
    gl.bindTexture(kind, name);
    if (layers) gl.texStorage3D(kind, levels, gl.RGB8, width, height, layers);
    else gl.texStorage2D(kind, levels, gl.RGB8, width, height);
    return {kind, name};
  }

  // The parts of one picture, each decoded once, to the tiles that they touch.
  async upload(parts, tiles, target, slice, step) {
    const gl = this.gl;
    for (const part of parts) {
      const whole = await createImageBitmap(await this.blobOf(part), EXACT);
      for (const tile of tiles) {
        const px = part.x || 0, py = part.y || 0;
        const left = max(px, tile.left), right = min(px + whole.width, tile.left + tile.width);
        const top = max(py, tile.top), bottom = min(py + whole.height, tile.top + tile.height);
        const w = right - left, h = bottom - top;
        if (w <= 0 || h <= 0) continue;
        const all = w === whole.width && h === whole.height;
        const piece = all ? whole : await createImageBitmap(whole, left - px, top - py, w, h, EXACT);
        const {kind, name} = target(tile), x = left - tile.left, y = top - tile.top;
        gl.bindTexture(kind, name);
        if (slice >= 0) gl.texSubImage3D(kind, 0, x, y, slice, w, h, 1, gl.RGB, gl.UNSIGNED_BYTE, piece);
        else gl.texSubImage2D(kind, 0, x, y, w, h, gl.RGB, gl.UNSIGNED_BYTE, piece);
        if (!all) piece.close();
      }
      whole.close();
      step();
    }
  }

  // Where the relit pixels go: a texture of the frame's size.
  reserve(width, height) {
    const {buffer} = this;
    if (buffer && buffer.width === width && buffer.height === height) return;
    this.drop(buffer);
    this.buffer = this.frame(width, height);
  }

  drop(buffer) {
    if (!buffer) return;
    this.gl.deleteTexture(buffer.name);
    this.gl.deleteFramebuffer(buffer.frame);
  }

  frame(width, height) {
    const gl = this.gl, name = gl.createTexture(), frame = gl.createFramebuffer();
    gl.bindTexture(gl.TEXTURE_2D, name);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, name, 0);
    return {name, frame, width, height};
  }

  // Draws one frame.
  // view: {x, y, zoom, turn, mirror}, see `placed`. look: {light (in the picture's frame, however it
  // is turned), mode, exposure, kd, ks, exponent, split (the frame's pixels)}.
  // share: resolution of the relit pixels, 0..1. relight: whether they changed at all.
  // Returns milliseconds that relighting took, measured where `timed`.
  draw({view, look, size, share = 1, relight = true, target = null, timed = false}) {
    const gl = this.gl, [width, height] = size, where = placed(view, size);
    const sides = this.layers.length > 1 ? [[0, look.split], [look.split, width]] : [[0, width]];
    let took = 0;
    this.waiting = 0;
    for (const [number, side] of sides.entries()) {
      const made = this.layers[number];
      if (made.tree && side[0] < side[1]) this.waiting += made.tree.show(...this.sight(made, where, size, side));
    }
    gl.enable(gl.SCISSOR_TEST);
    if (relight && look.mode < 2) {
      const w = max(1, round(width * share)), h = max(1, round(height * share));
      const start = performance.now();
      this.reserve(w, h);
      gl.bindFramebuffer(gl.FRAMEBUFFER, this.buffer.frame);
      gl.viewport(0, 0, w, h);
      for (const [number, [from, to]] of sides.entries()) {
        const cut = [round((from * w) / width), round((to * w) / width)];
        gl.scissor(cut[0], 0, cut[1] - cut[0], h);
        if (from < to) this.relight(this.layers[number], where, look, size, share);
      }
      if (timed) {
        // Waits for the GPU.
        gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
        took = performance.now() - start;
      }
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, target);
    gl.viewport(0, 0, width, height);
    gl.scissor(0, 0, width, height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const {name, at} = this.finish;
    gl.useProgram(name);
    gl.uniform1i(at("picture"), 0);
    gl.uniform1i(at("relief"), 1);
    gl.uniform1i(at("mask"), 2);
    gl.uniform1i(at("mode"), look.mode);
    gl.uniform2f(at("size"), width, height);
    gl.uniform4f(at("finish"), 2 ** look.exposure, look.kd, look.ks, look.exponent);
    gl.uniform3f(at("halfway"), ...half(look.light));
    this.bind(0, this.buffer && this.buffer.name, share === 1 ? "texel" : "flat");
    for (const [number, [from, to]] of sides.entries()) {
      const made = this.layers[number];
      gl.scissor(from, 0, to - from, height);
      if (from < to) for (const tile of this.seen(made, where, size)) {
        this.bind(1, tile.relief && tile.relief.name, tile.filter);
        this.bind(2, tile.mask && tile.mask.name, tile.filter);
        gl.uniform1i(at("cut"), tile.mask ? 1 : 0);
        this.quad(this.finish, tile);
      }
    }
    gl.disable(gl.SCISSOR_TEST);
    return took;
  }

  relight(made, where, look, size, share) {
    const gl = this.gl, {layer, program} = made, {name, at} = program;
    gl.useProgram(name);
    const key = look.light.join();
    if (made.light && made.key !== key) {
      made.key = key;
      const values = made.light(...look.light), count = 4 * layer.vectors;
      if (count) gl.uniform4fv(at("drti_u"), values, 0, count);
      if (made.weights) {
        const [w, h] = layer.weights;
        gl.activeTexture(gl.TEXTURE0);
        gl.bindTexture(gl.TEXTURE_2D, made.weights);
        gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, w, h, gl.RGBA, gl.FLOAT, values, count);
      }
    }
    for (const tile of this.seen(made, where, size, share)) {
      tile.planes.forEach((plane, unit) => {
        this.bind(unit, plane.name, tile.filter, plane.kind);
        gl.uniform1i(at(layer.array ? "drti_planes" : "plane_" + unit), unit);
      });
      if (made.weights) {
        this.bind(tile.planes.length, made.weights, "texel");
        gl.uniform1i(at("drti_weights"), tile.planes.length);
      }
      gl.uniform1i(at("drti_texels"), tile.filter === "texel" ? 1 : 0);
      gl.uniform4f(at("drti_window"), tile.left / layer.width, tile.top / layer.height,
        tile.width / layer.width, tile.height / layer.height);
      this.quad(program, tile);
    }
  }

  // The box of a layer that a side of the frame shows, and the frame's pixels to one of the layer's.
  sight({layer}, where, [width, height], [from, to] = [0, width]) {
    const across = this.width / layer.width, down = this.height / layer.height;
    const [left, top, right, bottom] = where.around(from, 0, to, height);
    return [[left / across, top / down, right / across, bottom / down], where.zoom * min(across, down)];
  }

  // The tiles that the frame shows: the corners of each on it (clip coordinates), which part of it.
  seen(made, where, size, share = 1) {
    const {layer, tree} = made, [width, height] = size, found = [], {to} = where;
    const across = this.width / layer.width, down = this.height / layer.height;
    const [[left, top, right, bottom], zoom] = this.sight(made, where, size);
    for (const tile of tree ? tree.shown : made.tiles) {
      const least = zoom * share * (tile.scale || 1), exact = (least === 1 && where.upright) || (least >= 3 && !(tile.scale > 1));
      const filter = exact ? "texel" : least < 1 && !tree ? "small" : "flat";
      const X = [max(tile.x0, left), min(tile.x1, right)], Y = [max(tile.y0, top), min(tile.y1, bottom)];
      if (X[0] >= X[1] || Y[0] >= Y[1]) continue;
      const place = Y.flatMap((y) => X.flatMap((x) => {
        const [fx, fy] = to(x * across, y * down);
        return [(2 * fx) / width - 1, 1 - (2 * fy) / height];
      }));
      const u = (x) => (x - tile.left) / tile.width, v = (y) => (y - tile.top) / tile.height;
      found.push({...tile, filter, place, part: [u(X[0]), v(Y[0]), u(X[1]), v(Y[1])]});
    }
    return found;
  }

  quad({at}, {place, part}) {
    const gl = this.gl;
    gl.uniform2fv(at("place"), place);
    gl.uniform4f(at("part"), ...part);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  bind(unit, name, filter, kind = this.gl.TEXTURE_2D) {
    const gl = this.gl;
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(kind, name);
    gl.bindSampler(unit, this.filters[filter]);
  }

  // See the function: for what is no part of this script.
  placed(view, size) { return placed(view, size); }

  // The whole picture as it is shown, at its own resolution, in pieces that the GPU can take.
  async picture(look) {
    const gl = this.gl, canvas = make("canvas"), {width, height} = this;
    const flat = canvas.getContext("2d", {colorSpace: "srgb"}), side = 1024;
    canvas.width = width;
    canvas.height = height;
    const made = this.frame(side, side);
    for (let top = 0; top < height; top += side) for (let left = 0; left < width; left += side) {
      const w = min(side, width - left), h = min(side, height - top), data = new Uint8ClampedArray(4 * w * h);
      const split = round(max(0, min(w, look.share * width - left)));
      const view = {x: left + w / 2, y: top + h / 2, zoom: 1};
      for (const {tree, ...rest} of this.layers) if (tree) await tree.need(...this.sight(rest, placed(view, [w, h]), [w, h]));
      const shown = this.buffer;
      this.buffer = null;
      this.draw({view, look: {...look, split}, size: [w, h], target: made.frame});
      this.drop(this.buffer);
      this.buffer = shown;
      for (const {tree} of this.layers) if (tree) tree.release();
      gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, data);
      // Colours of the canvas are multiplied by alpha, those of a picture are not.
      for (let i = 3; i < data.length; i += 4) if (data[i] % 255)
        for (const k of [1, 2, 3]) data[i - k] *= 255 / data[i];
      const rows = new ImageData(w, h);
      for (let y = 0; y < h; y++) rows.data.set(data.subarray(4 * w * (h - 1 - y), 4 * w * (h - y)), 4 * w * y);
      flat.putImageData(rows, left, top);
    }
    this.drop(made);
    this.changed();
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }
}

// Where a view puts the picture on a frame of `size` pixels: (x, y) of the picture lies in the middle,
// a pixel of it takes `zoom` pixels of the frame; it is mirrored left to right if `mirror`, then turned
// by `turn` degrees clockwise. Rests on whole pixels of the frame, or it shimmers when it is moved.
// to(x, y): picture → frame, from(x, y): the way back, around(left, top, right, bottom): the box on
// the picture around a box of the frame,
// turned(x, y): a direction on the frame (y up, as a light's) → the same on the picture.
function placed({x, y, zoom, turn = 0, mirror = false}, [width, height]) {
  const right = turn % 90 === 0, angle = (turn * PI) / 180, sign = mirror ? -1 : 1;
  const c = right ? round(cos(angle)) : cos(angle), s = right ? round(sin(angle)) : sin(angle);
  const a = zoom * sign * c, b = -zoom * s, d = zoom * sign * s, e = zoom * c;
  const dx = -round(a * x + b * y - width / 2), dy = -round(d * x + e * y - height / 2);
  const scale = sign * zoom * zoom;
  const to = (px, py) => [a * px + b * py + dx, d * px + e * py + dy];
  const from = (fx, fy) => [(e * (fx - dx) - b * (fy - dy)) / scale, (a * (fy - dy) - d * (fx - dx)) / scale];
  const around = (left, top, right, bottom) => {
    const corners = [from(left, top), from(right, top), from(left, bottom), from(right, bottom)];
    const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
    return [min(...xs), min(...ys), max(...xs), max(...ys)];
  };
  return {
    to, from, zoom, upright: right, around,
    turned: (fx, fy) => [sign * (c * fx - s * fy), s * fx + c * fy],
  };
}

// Half way between the light and the camera.
function half([x, y]) {
  const z = 1 + sqrt(max(0, 1 - x * x - y * y)), length = hypot(x, y, z);
  return [x / length, y / length, z / length];
}

// A layer's shader, its numbers put in.
function shaderOf({shader, numbers}) {
  const values = new Float32Array(bytesOf(numbers).buffer);
  let next = 0;
  return shader.replace(/\$/g, () => values[next++].toPrecision(9));
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const letters = atob(base64), {length} = letters, bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = letters.charCodeAt(at);
  return bytes;
}
