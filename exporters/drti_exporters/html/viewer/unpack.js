"use strict";
(async () => {
  const [main] = document.querySelectorAll("[data-drti]"), make = (name, text, more) =>
    document.head.append(Object.assign(document.createElement(name), more, {textContent: text}));
  try {
    if (!globalThis.DecompressionStream) throw new Error("this browser is older than 2023");
    const letters = atob(document.getElementById("drti-packed").textContent);
    const packed = new Blob([Uint8Array.from(letters, (letter) => letter.charCodeAt(0))]);
    const stream = packed.stream().pipeThrough(new DecompressionStream("deflate"));
    const [scene, style, script] = await new Response(stream).json();
    make("style", style);
    make("script", JSON.stringify(scene), {type: "application/json", id: main.dataset.drti});
    make("script", script);
  } catch (error) {
    main.textContent = `The picture could not be loaded: ${error.message}`;
  }
})();
