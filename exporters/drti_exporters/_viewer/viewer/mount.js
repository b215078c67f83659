// Shows a scene in an element. source: its description, or the URL of one.
async function mount(element, source, lights = globalThis.drtiLights) {
  let scene = source, base = document.baseURI;
  if (typeof source === "string") {
    base = new URL(source, base).href;
    scene = await (await fetch(base)).json();
  }
  const blobOf = async ({src, id, type, range}, signal) => {
    if (id) return embedded((await parsed(id)).textContent, type);
    const headers = range ? {Range: `bytes=${range[0]}-${range[1]}`} : {};
    const answer = await fetch(new URL(src, base), {headers, signal});
    if (!answer.ok) throw new Error(`${src}: ${answer.status} ${answer.statusText}`);
    const blob = await answer.blob();
    return range && answer.status === 200 ? blob.slice(range[0], range[1] + 1) : blob;
  };
  return (element.drti = new Viewer(element, scene, lights, blobOf));
}

// The element of an id once all of it is there: a large page is read as it comes.
async function parsed(id) {
  for (;;) {
    const whole = document.readyState !== "loading", found = document.getElementById(id);
    if (found && (whole || found.nextElementSibling)) return found;
    if (whole) throw new Error(`This page lacks ${id}: it was cut.`);
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
for (const element of document.querySelectorAll("[data-drti]")) {
  const {drti: name} = element.dataset, own = document.getElementById(name);
  mount(element, own ? JSON.parse(own.textContent) : name).catch((error) => {
    element.textContent = `The picture could not be loaded: ${error.message}`;
  });
}
