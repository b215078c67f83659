// Times shaders against each other in one WebGL2 context. Each frame has a new light; reading one
// pixel back waits for it. Rounds go through all programs, so that what else runs hits them alike.
async (job) => {
  const gl = document.createElement("canvas").getContext("webgl2", {antialias: false});
  if (!gl) throw new Error("this browser has no WebGL2");
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  const vectors = gl.getParameter(gl.MAX_FRAGMENT_UNIFORM_VECTORS);
  const most = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);

  const texture = (unit, width, height, internal, format, type, data) => {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
      gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
    for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T])
      gl.texParameteri(gl.TEXTURE_2D, wrap, gl.CLAMP_TO_EDGE);
    gl.texImage2D(gl.TEXTURE_2D, 0, internal, width, height, 0, format, type, data);
  };
  // Codes as even as noise, the same in every run.
  const fill = (unit, width, height) => {
    const data = new Uint8Array(3 * width * height);
    for (let i = 0, state = 1 + unit; i < data.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      data[i] = state >>> 24;
    }
    texture(unit, width, height, gl.RGB8, gl.RGB, gl.UNSIGNED_BYTE, data);
  };

  // OpenLIME's own neural shader, by what its class offers.
  const stranger = async (item) => {
    const {ShaderNeural} = await import(new URL(item.openlime, location.href).href);
    const shader = new ShaderNeural();
    shader.setShaderInfo(item.width, 9, item.width, 12, "rgb");
    const samplers = item.planes.map((name) => `uniform sampler2D ${name};\n`).join("");
    item.fragment = "#version 300 es\nprecision highp float;\nprecision highp int;\n" + samplers +
      shader.fragShaderSrc(gl) + "\nout vec4 drti_color;\nvoid main() { drti_color = data(); }\n";
  };

  const WEIGHTS = 15; // the last unit that every device has
  const build = (item) => {
    const start = performance.now(), program = gl.createProgram();
    const stages = [[gl.VERTEX_SHADER, item.vertex], [gl.FRAGMENT_SHADER, item.fragment]];
    for (const [kind, text] of stages) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      const logs = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
      return {failed: `${gl.getProgramInfoLog(program)} ${logs.join(" ")}`.trim()};
    }
    gl.useProgram(program);
    const place = (name) => gl.getUniformLocation(program, name);
    item.planes.forEach((name, unit) => gl.uniform1i(place(name), unit));
    for (const [name, width, values] of item.arrays)
      gl[`uniform${width}fv`](place(name), new Float32Array(values));
    if (item.weights) gl.uniform1i(place("drti_weights"), WEIGHTS);
    const window = place("drti_window");
    if (window) gl.uniform4f(window, 0, 0, 1, 1);
    const light = item.light ? (0, eval)(item.light) : null;
    const set = place(item.light ? "drti_u" : item.direction);
    const draw = (x, y) => {
      gl.useProgram(program);
      if (!light) {
        gl.uniform2f(set, x, y);
      } else {
        const values = light(x, y), count = 4 * item.vectors;
        if (count) gl.uniform4fv(set, values.subarray(0, count));
        if (item.weights) texture(WEIGHTS, ...item.weights, gl.RGBA32F, gl.RGBA, gl.FLOAT,
          values.subarray(count));
      }
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    };
    return {draw, start};
  };

  let frame = 0;
  const pixel = new Uint8Array(4);
  const once = (program) => {
    const angle = 0.7 * frame++;
    program.draw(0.6 * Math.cos(angle), 0.6 * Math.sin(angle));
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  };
  const resize = (width, height) => {
    gl.canvas.width = width;
    gl.canvas.height = height;
    gl.viewport(0, 0, width, height);
    const count = Math.max(...job.programs.map((item) => item.planes.length));
    for (let unit = 0; unit < count; unit++) fill(unit, width, height);
  };
  const picture = (program, width, height) => {
    program.draw(0.3, -0.2);
    const pixels = new Uint8Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    return pixels;
  };

  const programs = [];
  const results = [];
  for (const [width, height] of job.sizes) {
    if (Math.max(width, height) > most) continue;
    resize(width, height);
    if (!programs.length) {
      for (const item of job.programs) {
        if (item.openlime) await stranger(item);
        const program = build(item);
        if (program.draw) {
          once(program);
          program.first = performance.now() - program.start;
        }
        programs.push(program);
      }
    }
    const times = programs.map(() => []);
    // A frame that would take longer than this is left out.
    const asked = programs.map((program) => program.draw &&
      !(program.pixel * width * height > job.longest));
    const until = performance.now() + 1000 * job.seconds;
    do {
      for (let n = 0; n < programs.length; n++) {
        if (!asked[n]) continue;
        const start = performance.now();
        let count = 0;
        do {
          once(programs[n]);
          count++;
        } while (performance.now() - start < job.slice && count < 64);
        times[n].push((performance.now() - start) / count);
      }
      await new Promise((resume) => setTimeout(resume));
    } while (performance.now() < until || times.some((each, n) => asked[n] && each.length < job.rounds));
    const pictures = programs.map((program, n) =>
      asked[n] ? picture(program, width, height) : null);
    programs.forEach((program, n) => {
      const sorted = times[n].slice().sort((a, b) => a - b);
      if (sorted.length) program.pixel = sorted[0] / (width * height);
      const other = pictures[job.programs[n].like];
      let worst = null;
      if (pictures[n] && other) {
        worst = 0;
        for (let i = 0; i < other.length; i++)
          if (i % 4 < 3) worst = Math.max(worst, Math.abs(pictures[n][i] - other[i]));
      }
      results.push({
        name: job.programs[n].name, width, height, failed: program.failed || null,
        first: program.first || null, rounds: sorted.length, fastest: sorted[0] || null,
        median: sorted[sorted.length >> 1] || null, worst,
      });
    });
    if (gl.getError() !== gl.NO_ERROR) throw new Error("WebGL reports an error");
  }
  return {renderer, vectors, results};
}
