"use strict";
(async () => {
  const [main] = document.querySelectorAll("[data-drti]"), make = (name, text, more) =>
    document.head.append(Object.assign(document.createElement(name), more, {textContent: text}));
  try {
    if (!globalThis.DecompressionStream) throw new Error("this browser is older than 2023");
    const letters = atob(document.getElementById("drti-packed").textContent);
    const packed = new Blob([Uint8Array.from(letters, (letter) => letter.charCodeAt(0))]);
    const stream = packed.stream().pipeThrough(new DecompressionStream("deflate"));
    // JSON, and behind it what stood in it as base64.
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer()), end = bytes.indexOf(0);
    let at = end + 1;
    const base64 = (_, size) => btoa(Array.from(
      bytes.subarray(at, at += +size), (byte) => String.fromCharCode(byte)).join(""));
    const json = new TextDecoder().decode(bytes.subarray(0, end)).replace(/\x01(\d+)\x01/g, base64);
    const [scene, style, script] = JSON.parse(json);
    make("style", style);
    make("script", JSON.stringify(scene), {type: "application/json", id: main.dataset.drti});
    make("script", script);
  } catch (error) {
    main.textContent = `The picture could not be loaded: ${error.message}`;
  }
})();
