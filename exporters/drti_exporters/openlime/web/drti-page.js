// The page: OpenLIME with the layer of drti-layer.js; a dial for the light, modes, zoom.
// Where OpenLIME cannot be had, drti's own viewer shows the picture.
import {register} from "./drti-layer.js";

const $ = (id) => document.getElementById(id);

async function openlime() {
  const found = await import(new URL(document.body.dataset.openlime, document.baseURI).href);
  // A bundle for script elements leaves a global variable instead of exports.
  const module = found.Viewer ? found : found.default?.Viewer ? found.default : globalThis.OpenLIME;
  if (!module?.Viewer) throw new Error("this is no build of OpenLIME");
  return module;
}

function script(src) {
  return new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement("script"), {src});
    element.onload = resolve;
    element.onerror = () => reject(new Error(`${src} is missing`));
    document.head.append(element);
  });
}

// Drti's own viewer in the place of OpenLIME's.
async function fallback(reason) {
  console.warn(`OpenLIME is not there (${reason.message ?? reason}): drti's own viewer is shown`);
  document.body.classList.add("fallback");
  const style = {rel: "stylesheet", href: "drti-viewer.css"};
  document.head.append(Object.assign(document.createElement("link"), style));
  await script("drti-light.js");
  await script("drti-viewer.js");
  await globalThis.drti.mount(document.querySelector("main"), "drti-scene.json");
}

// OpenLIME would draw for ever: its camera never says that it has arrived.
function rest(viewer, layer) {
  const {canvas, camera} = viewer, draw = canvas.draw;
  canvas.draw = (time) => {
    draw.call(canvas, time);
    const now = performance.now(), light = layer.controls.light;
    return now > camera.target.t + 50 && now > light.target.t + 50;
  };
}

function main({Viewer, Layer, Controller2D, ControllerPanZoom}) {
  // Without its second pass OpenLIME keeps the colours as the layer gives them.
  const viewer = new Viewer($("view"), {canvas: {useOffscreenFramebuffer: false}});
  const layer = new Layer({type: "drti", url: "info.json", encoded: true});
  viewer.camera.maxFixedZoom = 16;
  viewer.addLayer("picture", layer);
  rest(viewer, layer);
  Object.assign(globalThis, {viewer, layer});

  let light = [0, 0];
  const shine = (x, y) => {
    const radius = Math.max(1, Math.hypot(x, y));
    light = [x / radius, y / radius];
    layer.setLight(light, 0);
    const [a, b] = light, length = Math.hypot(a, b);
    const height = Math.round((Math.acos(Math.min(1, length)) * 180) / Math.PI);
    // Clockwise from north, as on a map.
    const from = (Math.round((Math.atan2(a, b) * 180) / Math.PI) + 360) % 360;
    const words = length < 0.005 ? "overhead" : `from ${from}°, ${height}° high`;
    const dial = $("dial"), [px, py] = [44 * a, -44 * b];
    dial.querySelector(".sun").setAttribute("transform", `translate(${px} ${py})`);
    dial.querySelector(".ray").setAttribute("x1", px);
    dial.querySelector(".ray").setAttribute("y1", py);
    const turn = (Math.atan2(-py, -px) * 180) / Math.PI, head = dial.querySelector(".head");
    head.setAttribute("transform", `translate(${px / 2} ${py / 2}) rotate(${turn})`);
    head.style.display = length < 0.25 ? "none" : "";
    dial.setAttribute("aria-valuenow", height);
    dial.setAttribute("aria-valuetext", `Light ${words}`);
    $("angles").textContent = words;
  };

  const dial = $("dial");
  const follow = (event) => {
    const box = dial.querySelector(".sky").getBoundingClientRect();
    shine(
      (2 * (event.clientX - box.left)) / box.width - 1,
      1 - (2 * (event.clientY - box.top)) / box.height,
    );
  };
  dial.addEventListener("pointerdown", (event) => {
    dial.setPointerCapture(event.pointerId);
    follow(event);
  });
  dial.addEventListener("pointermove", (event) => {
    if (dial.hasPointerCapture(event.pointerId)) follow(event);
  });
  const steps = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};
  dial.addEventListener("keydown", (event) => {
    const step = steps[event.key], size = event.shiftKey ? 0.2 : 0.05;
    if (event.key === "Home") shine(0, 0);
    else if (step) shine(light[0] + size * step[0], light[1] + size * step[1]);
    else return;
    event.preventDefault();
  });

  // Dragging moves the light; with shift, or the other way round, the picture.
  const lamp = new Controller2D((x, y) => shine(x, y), {activeModifiers: [0]});
  const hand = new ControllerPanZoom(viewer.camera, {activeModifiers: [2]});
  viewer.addController(lamp);
  viewer.addController(hand);
  const drag = $("drag");
  drag.addEventListener("click", () => {
    const lights = drag.getAttribute("aria-pressed") !== "true";
    drag.setAttribute("aria-pressed", lights);
    drag.textContent = lights ? "Drag: light" : "Drag: picture";
    lamp.activeModifiers = [lights ? 0 : 2];
    hand.activeModifiers = [lights ? 2 : 0];
  });

  const quiet = matchMedia("(prefers-reduced-motion: reduce)");
  const time = () => (quiet.matches ? 0 : 250);
  const zoom = {
    in: () => viewer.camera.deltaZoom(time(), 1.5),
    out: () => viewer.camera.deltaZoom(time(), 1 / 1.5),
    fit: () => viewer.camera.fitCameraBox(time()),
  };
  for (const [id, act] of Object.entries(zoom)) $(id).addEventListener("click", act);
  addEventListener("keydown", (event) => {
    const act = zoom[{"+": "in", "=": "in", "-": "out", "0": "fit"}[event.key]];
    if (act && !event.ctrlKey && !event.metaKey && !event.altKey) act();
  });

  // The part of the sky from which no photograph was lit.
  const shade = ({lit}) => {
    if (!lit) return;
    const points = lit.map((value, i) => (i % 2 ? -0.044 : 0.044) * value).join(" ");
    const path = `M-44 0A44 44 0 1 0 44 0A44 44 0 1 0-44 0ZM${points}Z`;
    dial.querySelector(".unlit").setAttribute("d", path);
    $("keys").textContent += " No photograph was lit from the part of the sky that is shaded.";
  };

  const words = {light: "Light", normals: "Normals", specular: "Specular"};
  shine(0, 0);
  return layer.whenReady.then(() => {
    shade(layer.shader.model);
    viewer.camera.maxFixedZoom = 16;
    viewer.canvas.updateSize();
    const buttons = layer.getModes().map((mode) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words[mode];
      button.addEventListener("click", () => {
        layer.setMode(mode);
        for (const other of buttons) other.setAttribute("aria-pressed", other === button);
      });
      button.setAttribute("aria-pressed", mode === layer.getMode());
      $("modes").append(button);
      return button;
    });
    if (buttons.length < 2) $("modes").remove();
    shine(0.35, 0.45);
  });
}

let shown = false;
try {
  const module = await openlime();
  register(module);
  shown = true;
  await main(module);
} catch (error) {
  if (!shown) await fallback(error).catch((worse) => ($("message").textContent = worse.message));
  else $("message").textContent = `The picture could not be loaded: ${error.message ?? error}`;
}
