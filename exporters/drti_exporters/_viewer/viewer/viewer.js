// The page around a Painter: what the user sees and does. Draws only when something changed.
const MARKUP = %markup.html%;
const make = (name, textContent = "") => Object.assign(document.createElement(name), {textContent});
const boxOf = (element) => element.getBoundingClientRect();
const on = (target, names, act, options) => {
  for (const name of names.split(" ")) target.addEventListener(name, act, options);
};
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};
const MOST_ZOOM = 64, RIM = 0.98, REST = 150, FRAME = 33;
const clamp = (value, low, high) => max(low, min(high, value));

class Viewer {
  constructor(root, scene, lights, blobOf) {
    this.root = root;
    this.scene = scene;
    this.light = [-0.5, 0.5];
    this.look = {mode: 0, exposure: 0, kd: 0.4, ks: 0.4, exponent: 75, share: 0.5};
    this.view = {x: scene.width / 2, y: scene.height / 2, zoom: 1};
    this.fitted = true;
    this.quality = 1;
    this.cost = 0;
    this.frames = this.relit = 0;
    this.pointers = new Map();
    root.classList.add("drti");
    root.innerHTML = MARKUP;
    for (const button of this.all("[data-icon]"))
      button.innerHTML = `<svg viewBox="0 0 20 20"><path d="${button.dataset.icon}"/></svg>`;
    this.canvas = this.$("canvas");
    this.stage = this.$(".stage");
    this.words();
    try {
      this.painter = new Painter(this.canvas, scene, lights, blobOf, () => this.change());
    } catch {
      this.say("This browser cannot show the picture.", "It needs WebGL2: update the browser, " +
        "switch hardware acceleration on in its settings, or try another.");
      return;
    }
    this.listen();
    this.show();
    this.ready = this.build();
  }

  $(name) { return this.root.querySelector(name); }

  all(name) { return [...this.root.querySelectorAll(name)]; }

  // What the scene says of itself; set as text, never as markup.
  words() {
    const {scene} = this, size = `${scene.width} × ${scene.height}`;
    const names = scene.layers.map(({name}) => name);
    const {facts = [], title} = scene;
    this.$("h1").textContent = this.$("h2").textContent = title;
    this.$(".what").textContent = [scene.credit, names.join(" | "), size].filter(Boolean).join(" · ");
    this.canvas.setAttribute("aria-label", `Relightable picture: ${title}. Arrow keys move the light; ? shows all keys.`);
    for (const [term, text] of [...facts, ["Size", size + " pixels"], ["Codec", names.join(" | ")]]) {
      this.$(".facts").append(make("dt", term), make("dd", text));
    }
    const split = names.length > 1;
    this.$(".divider").hidden = !split;
    if (split) [this.$(".a").textContent, this.$(".b").textContent] = names;
    const reliefs = scene.layers.every(({relief}) => relief);
    this.root.classList.toggle("plain", !reliefs);
    if (scene.lit) {
      // All around the ball, then the other way round what is lit.
      const rim = "0 0,100% 0,100% 100%,0 100%,0 0,", {lit} = scene, points = [...lit, lit[0], lit[1]];
      const texts = points.map((value, i) => 50 + (i % 2 ? -value : value) / 20 + (i % 2 ? "%," : "% "));
      this.$(".ball").style.setProperty("--unlit", `polygon(evenodd,${rim}${texts.join("").slice(0, -1)})`);
    }
    this.$('[data-do="full"]').hidden = !document.fullscreenEnabled;
  }

  say(head, text) {
    const box = this.$(".message");
    box.replaceChildren(make("b", head), text);
    box.hidden = false;
    this.busy("");
  }

  async build() {
    const token = this.token = {};
    this.alive = false;
    try {
      await this.painter.build((done, total) => {
        if (this.token === token) this.busy(done < total ? `Loading ${done} of ${total}` : "");
      });
    } catch (error) {
      if (this.token === token && !this.painter.gl.isContextLost()) this.say("The picture could not be shown.", error.message);
      return;
    }
    if (this.token !== token || this.painter.gl.isContextLost()) return;
    this.$(".message").hidden = true;
    this.alive = true;
    this.change();
  }

  // Something changed; `finish` if the relit pixels did not, `moving` if more is to come.
  change({finish = false, moving = false} = {}) {
    this.stale ||= !finish;
    if (moving) {
      clearTimeout(this.timer);
      this.moving = true;
      this.timer = setTimeout(() => {
        this.moving = false;
        if (this.share !== 1) this.change();
      }, REST);
    }
    this.asked ||= requestAnimationFrame(() => this.frame());
  }

  frame() {
    this.asked = 0;
    if (!this.alive || !this.canvas.width) return;
    const {width, height} = this.canvas, {view, look} = this;
    const share = this.moving ? this.quality : 1;
    const relight = this.stale || share !== this.share;
    const took = this.painter.draw({
      view: this.view, share, relight, timed: this.moving, size: [width, height],
      look: {...look, light: this.light, split: round(look.share * width)},
    });
    this.stale = false;
    this.share = share;
    this.frames++;
    this.relit += relight;
    if (took && this.warm) {
      const whole = took / (share * share);
      this.cost = this.cost ? 0.6 * this.cost + 0.4 * whole : whole;
      const wanted = sqrt(FRAME / this.cost);
      this.quality = wanted > 0.9 ? 1 : clamp(wanted, 0.2, 1);
    }
    this.warm = true;
  }

  // The picture's coordinates at the canvas's corner.
  corner() {
    const {width, height} = this.canvas, [left, top] = placed(this.view, [width, height]).from(0, 0);
    return {left, top, zoom: this.view.zoom};
  }

  fit() {
    const {width, height} = this.canvas;
    return min(width / this.scene.width, height / this.scene.height) * 0.96;
  }

  // Shows `zoom` canvas pixels to a pixel of the picture; what is at (x, y) of the canvas stays.
  zoomTo(zoom, x = this.canvas.width / 2, y = this.canvas.height / 2, moving = false) {
    const {view, canvas} = this, fit = this.fit();
    zoom = clamp(zoom, min(fit, 1) / 2, MOST_ZOOM);
    const dx = x - canvas.width / 2, dy = y - canvas.height / 2;
    view.x += dx / view.zoom - dx / zoom;
    view.y += dy / view.zoom - dy / zoom;
    view.zoom = zoom;
    this.fitted = false;
    this.moved(moving);
  }

  whole() {
    Object.assign(this.view, {x: this.scene.width / 2, y: this.scene.height / 2, zoom: this.fit()});
    this.fitted = true;
    this.moved(false);
  }

  pan(dx, dy, moving = true) {
    this.view.x -= dx / this.view.zoom;
    this.view.y -= dy / this.view.zoom;
    this.fitted = false;
    this.moved(moving);
  }

  moved(moving) {
    this.view.x = clamp(this.view.x, 0, this.scene.width);
    this.view.y = clamp(this.view.y, 0, this.scene.height);
    const percent = 100 * this.view.zoom, text = percent < 10 ? percent.toFixed(1) : round(percent);
    this.$(".zoom").textContent = text + " %";
    this.change({moving});
  }

  setLight(x, y, moving = true) {
    const radius = hypot(x, y), most = min(1, RIM / max(radius, 1e-9));
    this.light = [x * most, y * most];
    this.show();
    this.change({moving});
  }

  // Whether the light is none that the photographs' lights surround.
  far() {
    const {light: [x, y], scene: {lit}} = this, count = lit ? lit.length / 2 : 0;
    for (let i = 0; i < count; i++) {
      const j = (i + 1) % count, [a, b, c, d] = [2 * i, 2 * i + 1, 2 * j, 2 * j + 1].map((k) => lit[k] / 1000);
      if ((c - a) * (y - b) < (d - b) * (x - a) - 0.005) return true;
    }
    return false;
  }

  // The controls say what is so.
  show() {
    const [x, y] = this.light, around = (round((atan2(y, x) * 180) / PI) + 360) % 360;
    const above = round((acos(min(1, hypot(x, y))) * 180) / PI);
    const ball = this.$(".ball").style, {look} = this;
    ball.setProperty("--x", 50 + 50 * x + "%");
    ball.setProperty("--y", 50 - 50 * y + "%");
    this.$(".lamp output").textContent = `${around}° · ${above}° high${this.far() ? "\nno photograph near" : ""}`;
    const values = {azimuth: around, elevation: above, ...look};
    for (const input of this.all("[data-set]")) {
      const {set} = input.dataset;
      input.value = values[set];
      const out = input.parentNode.querySelector("output");
      const text = set === "exposure" ? `${look.exposure > 0 ? "+" : ""}${look.exposure.toFixed(1)} EV` : values[set] + (out ? "" : "°");
      input.setAttribute("aria-valuetext", text);
      if (out) out.textContent = text;
    }
    this.root.classList.toggle("shiny", look.mode === 1);
    for (const input of this.all("[name=mode]")) input.checked = +input.value === look.mode;
    const divider = this.$(".divider"), share = round(100 * look.share);
    divider.style.left = 100 * look.share + "%";
    divider.setAttribute("aria-valuenow", share);
  }

  setMode(mode) {
    if (mode && this.root.classList.contains("plain")) return;
    this.look.mode = mode;
    this.show();
    this.change();
  }

  setSplit(share) {
    this.look.share = clamp(share, 0, 1);
    this.show();
    this.change({moving: true});
  }

  async save() {
    const look = {...this.look, light: this.light};
    const blob = await this.painter.picture(look);
    if (!blob) return this.note("The picture is too large for this browser to save.");
    const link = make("a"), plain = this.scene.title.replace(/[^\p{L}\p{N}._-]+/gu, "_");
    link.href = URL.createObjectURL(blob);
    link.download = (plain.slice(0, 80) || "picture") + ".png";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    this.note(`Saved ${link.download}`);
  }

  busy(text) { this.$(".busy").textContent = text; }

  note(text) {
    this.busy(text);
    setTimeout(() => this.busy(""), 4000);
  }

  do(name) {
    const {zoom} = this.view;
    ({
      in: () => this.zoomTo(zoom * 1.5),
      out: () => this.zoomTo(zoom / 1.5),
      one: () => this.zoomTo(1),
      fit: () => this.whole(),
      save: () => this.save(),
      about: () => this.$("dialog").showModal(),
      full: () => document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen().catch(() => {}),
    })[name]();
  }

  listen() {
    const {canvas, stage, root} = this;
    on(canvas, "webglcontextlost", (event) => {
      event.preventDefault();
      this.alive = false;
      this.busy("The graphics processor was reset; one moment");
    });
    on(canvas, "webglcontextrestored", () => { this.ready = this.build(); });
    new ResizeObserver(() => this.resize()).observe(stage);
    on(window, "resize", () => this.resize());
    this.resize();
    on(root, "click", ({target}) => {
      const button = target.closest("[data-do]");
      if (button) this.do(button.dataset.do);
    });
    on(root, "input", ({target}) => this.input(target));
    on(this.$("[data-set=exposure]"), "dblclick", () => {
      this.look.exposure = 0;
      this.show();
      this.change({finish: true});
    });
    on(canvas, "pointerdown pointermove pointerup pointercancel", (event) => this[event.type](event));
    on(canvas, "contextmenu", (event) => event.preventDefault());
    on(canvas, "wheel", (event) => {
      event.preventDefault();
      const [x, y] = this.place(event), line = [1, 16, 400][event.deltaMode];
      this.zoomTo(this.view.zoom * exp(-event.deltaY * line * (event.ctrlKey ? 0.01 : 0.002)), x, y, true);
    }, {passive: false});
    on(document, "keydown", (event) => {
      if (event.target === canvas || (event.target === document.body && event.key.startsWith("Arrow"))) this.key(event);
    });
    this.draggable(this.$(".ball"), ({clientX, clientY}, box) => {
      this.setLight((2 * (clientX - box.left)) / box.width - 1, 1 - (2 * (clientY - box.top)) / box.height);
    });
    this.draggable(this.$(".divider"), ({clientX}) => {
      const box = boxOf(stage);
      this.setSplit((clientX - box.left) / box.width);
    });
    on(this.$(".divider"), "keydown", (event) => {
      const {key} = event, [x, y] = ARROWS[key] || [key === "Home" ? -50 : key === "End" ? 50 : 0, 0];
      if (!x && !y) return;
      event.preventDefault();
      this.setSplit(this.look.share + 0.02 * (x + y));
    });
  }

  draggable(element, act) {
    const move = (event) => act(event, boxOf(element));
    on(element, "pointerdown", (event) => {
      event.preventDefault();
      if (element.tabIndex >= 0) element.focus({preventScroll: true});
      element.setPointerCapture(event.pointerId);
      move(event);
    });
    on(element, "pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) move(event);
    });
  }

  resize() {
    const ratio = devicePixelRatio || 1, box = boxOf(this.stage);
    const width = round(box.width * ratio), height = round(box.height * ratio);
    const {canvas} = this;
    if (!width || !height || (canvas.width === width && canvas.height === height)) return;
    canvas.width = width;
    canvas.height = height;
    if (this.fitted) this.whole();
    else this.moved(false);
    // At once: a resized canvas is empty.
    if (this.alive) this.frame();
  }

  input(target) {
    const {set} = target.dataset, value = +target.value;
    if (target.name === "mode") return this.setMode(value);
    if (target.name === "drag") return this.root.classList.toggle("pan", target.value === "pan");
    if (!set) return;
    if (set === "azimuth" || set === "elevation") {
      const [x, y] = this.light, turn = PI / 180;
      const a = set === "azimuth" ? value * turn : atan2(y, x);
      const flat = set === "elevation" ? cos(value * turn) : hypot(x, y);
      return this.setLight(flat * cos(a), flat * sin(a));
    }
    this.look[set] = value;
    this.show();
    this.change({finish: true});
  }

  // A pointer's place in pixels of the canvas.
  place({clientX, clientY}) {
    const box = boxOf(this.canvas);
    return [((clientX - box.left) * this.canvas.width) / box.width, ((clientY - box.top) * this.canvas.height) / box.height];
  }

  lightAt([x, y]) {
    const {width, height} = this.canvas, radius = min(width, height) / 2;
    this.setLight((x - width / 2) / radius, (height / 2 - y) / radius);
  }

  pointerdown(event) {
    const {pointers} = this;
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({preventScroll: true});
    pointers.set(event.pointerId, this.place(event));
    if (pointers.size === 1) {
      const other = event.button > 0 || event.shiftKey || event.ctrlKey;
      this.lit = !other && !this.root.classList.contains("pan");
      this.before = [this.light, event.timeStamp];
      if (this.lit) this.lightAt(this.place(event));
    } else if (this.lit) {
      // The first finger of two meant no light.
      this.lit = false;
      if (event.timeStamp - this.before[1] < 300) this.setLight(...this.before[0]);
    }
    event.preventDefault();
  }

  pointermove(event) {
    const {pointers} = this, old = pointers.get(event.pointerId);
    if (!old) return;
    const now = this.place(event);
    const middle = () => {
      const [[ax, ay], [bx, by]] = [...pointers.values()];
      return [(ax + bx) / 2, (ay + by) / 2, hypot(ax - bx, ay - by)];
    };
    if (pointers.size === 1) {
      pointers.set(event.pointerId, now);
      if (this.lit) this.lightAt(now);
      else this.pan(now[0] - old[0], now[1] - old[1]);
      return;
    }
    const was = middle();
    pointers.set(event.pointerId, now);
    const is = middle();
    this.pan(is[0] - was[0], is[1] - was[1]);
    if (was[2] > 0) this.zoomTo((this.view.zoom * is[2]) / was[2], is[0], is[1], true);
  }

  pointercancel(event) { this.pointerup(event); }

  pointerup(event) {
    this.pointers.delete(event.pointerId);
    this.lit = false;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [x, y] = this.light, key = event.key.toLowerCase(), arrow = ARROWS[event.key];
    const action = {"+": "in", "=": "in", "-": "out", 0: "fit", 1: "one", p: "save", f: "full", "?": "about"}[key];
    const mode = {c: 0, s: 1, n: 2}[key];
    if (arrow && event.shiftKey) this.pan(-60 * arrow[0], 60 * arrow[1]);
    else if (arrow) this.setLight(x + 0.05 * arrow[0], y + 0.05 * arrow[1]);
    else if (action) this.do(action);
    else if (mode !== undefined) this.setMode(mode);
    else return;
    event.preventDefault();
  }
}
