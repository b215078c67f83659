// Shows a scene in an element. source: its description, or the URL of one.
async function mount(element, source, lights = globalThis.drtiLights) {
  let scene = source, base = document.baseURI;
  if (typeof source === "string") {
    base = new URL(source, base).href;
    scene = await (await fetch(base)).json();
  }
  const blobOf = async ({src, id, type, range}, signal) => {
    if (id) return parsed(id, type);
    const headers = range ? {Range: `bytes=${range[0]}-${range[1]}`} : {};
    const answer = await fetch(new URL(src, base), {headers, signal});
    if (!answer.ok) throw new Error(`${src}: ${answer.status} ${answer.statusText}`);
    const blob = await answer.blob();
    return range && answer.status === 200 ? blob.slice(range[0], range[1] + 1) : blob;
  };
  return (element.drti = new Viewer(element, scene, lights, blobOf));
}

// Tiles of a large page, by their ids: each is taken out of the page as soon as it is read, for as
// text it would take more memory than the page has bytes.
const TILES = 'script[type="application/octet-stream"]', taken = new Map();
const ended = () => document.readyState !== "loading";
const whole = (element) => ended() || element.nextElementSibling;

function take() {
  for (const element of document.querySelectorAll(TILES)) if (whole(element)) {
    taken.set(element.id, bytesOf(element.textContent));
    element.remove();
  }
}

// The Blob of an id once all of it is there.
async function parsed(id, type) {
  for (;;) {
    const last = ended(), found = document.getElementById(id);
    take();
    if (taken.has(id)) return new Blob([taken.get(id)]);
    if (found && whole(found)) return embedded(found.textContent, type);
    if (last) throw new Error(`This page lacks ${id}: it was cut.`);
    await new Promise((done) => setTimeout(done, 30));
  }
}

// Base64 → Blob, in pieces: a whole picture may be hundreds of megabytes.
function embedded(text, type) {
  const pieces = [], size = 1 << 20;
  for (let at = 0; at < text.length; at += size) {
    pieces.push(bytesOf(text.slice(at, at + size)));
  }
  return new Blob(pieces, {type});
}

globalThis.drti = {mount};
if (!ended()) {
  const watch = new MutationObserver(take);
  watch.observe(document.body, {childList: true});
  on(document, "readystatechange", () => {
    take();
    watch.disconnect();
  });
}
for (const element of document.querySelectorAll("[data-drti]")) {
  const {drti: name} = element.dataset, own = document.getElementById(name);
  mount(element, own ? JSON.parse(own.textContent) : name).catch((error) => {
    element.textContent = `The picture could not be loaded: ${error.message}`;
  });
}
