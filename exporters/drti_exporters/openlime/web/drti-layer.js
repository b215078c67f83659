// A layer for OpenLIME that shows any model of drti, in any layout, by the shader made for it.
//
//   import * as OpenLIME from "./openlime.js";
//   import {register} from "./drti-layer.js";
//   register(OpenLIME);
//   const viewer = new OpenLIME.Viewer("#viewer");
//   viewer.addLayer("coin", new OpenLIME.Layer({type: "drti", url: "coin/info.json"}));
//
// Beside info.json lies drti-model.js: the shader, the light stage, and where the pictures are.
// Options: url; encoded: true where the canvas shows colours as they come (a Viewer with
// {canvas: {useOffscreenFramebuffer: false}}), which keeps all 256 levels of a colour.
// Outside the model's mask the layer is transparent.
// Modes: "light", and where the folder has a picture of the relief "normals" and "specular".

const CLASSES = new WeakMap();

// Adds the layer type "drti" to an instance of OpenLIME; returns its classes.
export function register(OpenLIME) {
  if (!CLASSES.has(OpenLIME)) {
    const classes = define(OpenLIME);
    OpenLIME.Layer.prototype.types["drti"] = (options) => new classes.DrtiLayer(options);
    CLASSES.set(OpenLIME, classes);
  }
  return CLASSES.get(OpenLIME);
}

function define({Layer, Layout, Raster, Shader}) {
  class DrtiShader extends Shader {
    // units: textures that the device lets a fragment shader read.
    constructor({model, light}, encoded, units) {
      super({});
      const planes = model.pictures.map((_, id) => ({id, name: `plane_${id}`, type: "vec3"}));
      const more = [model.relief && "drti_relief", model.mask && "drti_mask"].filter(Boolean);
      const others = more.map((name, n) => ({id: planes.length + n, name, type: "vec3"}));
      Object.assign(this, {
        label: "drti",
        model,
        stage: light,
        encoded,
        samplers: [...planes, ...others],
        autoSamplerDeclaration: false,
        modes: ["light"],
        mode: "light",
        uniforms: {
          drti_light: {type: "vec3", needsUpdate: true, size: 3, value: [0, 0, 1]},
          drti_gloss: {type: "vec3", needsUpdate: true, size: 3, value: [0.4, 0.4, 75]},
        },
      });
      const taken = model.samples + (model.weights ? 1 : 0) + (model.mask ? 1 : 0);
      if (model.relief) this.modes.push("normals");
      if (model.relief && taken < units) this.modes.push("specular");
      if (model.vectors) {
        const value = new Float32Array(4 * model.vectors);
        this.uniforms.drti_u = {type: "vec4", needsUpdate: true, size: model.vectors, value};
      }
      this.setLight([0, 0]);
    }

    // x, y of the light, +y up; pulled into the unit disk.
    setLight([x, y]) {
      const radius = Math.max(1, Math.hypot(x, y));
      x /= radius;
      y /= radius;
      const values = this.stage(x, y), count = 4 * this.model.vectors;
      if (count) this.setUniform("drti_u", values.subarray(0, count));
      if (this.model.weights) this.weights = values.subarray(count);
      this.setUniform("drti_light", [x, y, Math.sqrt(Math.max(0, 1 - x * x - y * y))]);
    }

    // Of the highlight: shares of the picture and of the highlight, and its sharpness.
    setGloss(kd, ks, exponent) {
      this.setUniform("drti_gloss", [kd, ks, exponent]);
    }

    restoreWebGL(gl) {
      this.texture = null;
      super.restoreWebGL(gl);
    }

    // The texture of weights, where they are too many for uniforms.
    bindWeights(gl) {
      if (!this.model.weights) return;
      const [width, height] = this.model.weights;
      const unit = this.samplers.length + this.filters.reduce((n, f) => n + f.samplers.length, 0);
      gl.activeTexture(gl.TEXTURE0 + unit);
      if (!this.texture) {
        this.texture = gl.createTexture();
        gl.bindTexture(gl.TEXTURE_2D, this.texture);
        for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
          gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
        this.sent = null;
      }
      gl.bindTexture(gl.TEXTURE_2D, this.texture);
      if (this.sent !== this.weights) {
        gl.texImage2D(
          gl.TEXTURE_2D, 0, gl.RGBA32F, width, height, 0, gl.RGBA, gl.FLOAT, this.weights);
        this.sent = this.weights;
      }
      gl.uniform1i(gl.getUniformLocation(this.program, "drti_weights"), unit);
    }

    vertShaderSrc() {
      return `#version 300 es
precision highp float;
uniform mat4 u_matrix;
in vec4 a_position;
in vec2 a_texcoord;
out vec2 v_texcoord;
out vec2 v_place;
void main() {
  gl_Position = u_matrix * a_position;
  v_texcoord = a_texcoord;
  v_place = a_position.xy;
}
`;
    }

    fragShaderSrc() {
      const {model, mode, encoded} = this, size = `vec2(${model.width}., ${model.height}.)`;
      const given = Array.from({length: model.samples}, (_, n) => `texture(plane_${n}, v_texcoord).rgb`);
      if (model.coordinates) given.push(`vec2(v_place.x, -v_place.y) / ${size} + .5`);
      const relief = `uniform sampler2D drti_relief;
uniform vec3 drti_light;
uniform vec3 drti_gloss;
`;
      const cut = model.mask ? "uniform sampler2D drti_mask;\n" : "";
      // Between pixels, and in a JPEG, the mask has greys.
      const inside = model.mask ? "smoothstep(.25, .75, texture(drti_mask, v_texcoord).r)" : "1.";
      const normal = `  vec3 relief = texture(drti_relief, v_texcoord).rgb;
  vec2 slope = 2. * relief.xy - 1.;
  vec3 normal = normalize(vec3(slope, sqrt(max(0., 1. - dot(slope, slope)))));
`;
      const shown = `  vec3 shown = drti_decode(${given.join(", ")});\n`;
      const luma = "dot(shown, vec3(.2126, .7152, .0722)) / max(relief.z, .1)";
      const body = {
        light: shown,
        normals: `${normal}  vec3 shown = .5 * normal + .5;\n`,
        specular: `${normal}${shown}  float near = max(dot(normal, normalize(drti_light + vec3(0., 0., 1.))), 0.);
  float share = clamp(${luma}, 0., 1.) * pow(near, drti_gloss.z);
  shown = clamp(drti_gloss.x * shown + drti_gloss.y * share, 0., 1.);
`,
      }[mode];
      return `
precision highp sampler2D;
in vec2 v_texcoord;
in vec2 v_place;
${mode === "normals" ? "" : model.shader}${mode === "light" ? "" : relief}${cut}
vec4 data() {
${body}  return vec4(${encoded ? "shown" : "srgb2linear(shown)"}, ${inside});
}
`;
    }
  }

  class DrtiLayer extends Layer {
    constructor(options) {
      super({encoded: false, ...options, layout: "image"});
      if (!this.url) throw new Error("drti: the option url is missing");
      this.addControl("light", [0, 0]);
      this.turned = 0;
      this.whenReady = this.load(new URL(this.url, document.baseURI)).catch((error) => {
        this.status = `${error.message ?? error}`;
        console.error(`drti: ${this.url}: ${this.status}`);
        throw error;
      });
      this.whenReady.catch(() => {});
    }

    // Resolves when everything but the tiles is there.
    async load(url) {
      const {model, light} = await import(new URL("drti-model.js", url).href);
      const {width, height, layout: type, suffix} = model;
      this.pixelSize = model.pixelSizeInMM || 0;
      this.width = width;
      this.height = height;
      // The layer may not be in a viewer yet; every WebGL2 device has 16 units.
      const units = this.gl ? this.gl.getParameter(this.gl.MAX_TEXTURE_IMAGE_UNITS) : 16;
      this.shaders = {drti: new DrtiShader({model, light}, this.encoded, units)};
      this.setShader("drti");
      this.rasters = this.shader.samplers.map(() => new Raster({format: "vec3", isLinear: true}));
      const names = [...model.pictures, model.relief, model.mask].filter(Boolean);
      const at = (name) => new URL(name, url).href;
      const urls = {
        image: () => names.map((name) => at(name.includes(".") ? name : `${name}.${suffix}`)),
        google: () => names.map(at),
        deepzoom: () => names.map((name) => at(`${name}.dzi`)),
        zoomify: () => names.map((name) => at(`${name}/ImageProperties.xml`)),
        tarzoom: () => names.map((name) => at(`${name}.tzi`)),
        itarzoom: () => [at("planes.tzi")],
      }[type]();
      const made = new Layout(null, type, {width, height, suffix});
      return new Promise((resolve, reject) => {
        made.addEvent("ready", () => {
          if (type === "zoomify") {
            // OpenLIME's own takes all names to be as long as the first.
            made.getTileURL = (id, {index, level, x, y}) =>
              at(`${names[id]}/TileGroup${index >> 8}/${level}-${x}-${y}.${suffix}`);
          }
          crop(made, width, height);
          resolve(this);
        });
        this.setLayout(made);
        Promise.resolve(made.setUrls(urls)).then(() => {
          if (made.status !== "ready") reject(new Error(`no tiles: ${made.status}`));
        });
      });
    }

    // Moves the light to [x, y] on the unit disk, +y up, within dt milliseconds.
    setLight(light, dt = 0) {
      this.setControl("light", light, dt);
    }

    interpolateControls() {
      const done = super.interpolateControls(), shader = this.shaders.drti;
      const [x, y] = this.controls.light.current.value, angle = (-this.turned * Math.PI) / 180;
      const cos = Math.cos(angle), sin = Math.sin(angle);
      const key = `${x},${y},${this.turned}`;
      if (key !== this.lit) {
        this.lit = key;
        shader.setLight([cos * x - sin * y, sin * x + cos * y]);
      }
      return done;
    }

    draw(transform, viewport) {
      // Degrees by which the picture is turned: the light stays where it is on the screen.
      this.turned = transform.a + this.transform.a;
      return super.draw(transform, viewport);
    }

    prepareWebGL() {
      super.prepareWebGL();
      this.shader.bindWeights(this.gl);
    }
  }

  return {DrtiLayer, DrtiShader};
}

// Leaves out what fills a pyramid up to whole tiles.
function crop(layout, width, height) {
  const [full, tall] = [layout.width, layout.height];
  if (layout.type === "image" || (full === width && tall === height)) return;
  const coords = layout.tileCoords;
  layout.tileCoords = function (tile) {
    this.width = full;
    this.height = tall;
    const found = coords.call(this, tile);
    this.width = width;
    this.height = height;
    // Corners are counted from the middle, y upwards; the margin lies right and below.
    const {coords: xyz, tcoords: uv} = found, right = width - full / 2, low = tall / 2 - height;
    const span = (at, step) => [0, 1, 2, 3].map((n) => at[step * n]);
    const [xs, ys] = [span(xyz, 3), span(xyz.subarray(1), 3)];
    const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const u = (Math.min(x1, right) - x0) / (x1 - x0), v = (y1 - Math.max(y0, low)) / (y1 - y0);
    for (let n = 0; n < 4; n++) {
      xyz[3 * n] = Math.min(xyz[3 * n], right) + (full - width) / 2;
      xyz[3 * n + 1] = Math.max(xyz[3 * n + 1], low) - (tall - height) / 2;
      uv[2 * n] *= u;
      uv[2 * n + 1] *= v;
    }
    return found;
  };
  layout.width = width;
  layout.height = height;
  layout.emit("updateSize");
}
