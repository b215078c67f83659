// One quadtree for all pictures of a layer: what a frame shows is fetched, the coarsest and the
// nearest first, several nodes at a time, and what was not shown for longest makes room.
const AT_ONCE = 6, ROOM = 256e6, MOST_ROOM = 1e9, RETRIES = [1000, 4000];

class Tree {
  // layer: of the scene; painter: its textures; blobOf(part): promise of a Blob.
  constructor(layer, painter, blobOf) {
    const {tree} = layer;
    Object.assign(this, {layer, painter, nodes: new Map(), used: 0, frame: 0, loading: 0, queue: [], shown: []});
    this.levels = tree.levels.map(([width, height], index, {length}) => ({index, width, height,
      scale: 2 ** (length - 1 - index), columns: ceil(width / tree.side), rows: ceil(height / tree.side)}));
    this.source = SOURCES[tree.layout](tree, this.levels, blobOf);
    this.texel = 4 * (layer.pictures.length + !!layer.relief + !!layer.mask);
    this.root = this.node(0, 0, 0);
  }

  node(level, row, column) {
    const key = [level, row, column].join();
    if (!this.nodes.has(key)) this.nodes.set(key, {level: this.levels[level], row, column, failures: 0, frame: 0, key});
    return this.nodes.get(key);
  }

  // What lies over a node, `steps` levels up.
  above({level, row, column}, steps = 1) {
    const scale = 2 ** steps;
    return this.node(level.index - steps, floor(row / scale), floor(column / scale));
  }

  // The level whose pixels are no larger than those of a frame that shows a box (left, top, right,
  // bottom) of the layer at `zoom`; a coarser one where that would not fit into memory.
  level([left, top, right, bottom], zoom) {
    const {width, height} = this.layer, last = this.levels.length - 1;
    const area = (min(right, width) - max(left, 0)) * (min(bottom, height) - max(top, 0));
    let up = max(0, floor(log2(1 / zoom) + 0.05));
    while (area / 4 ** up * this.texel > MOST_ROOM / 2) up++;
    return this.levels[max(0, last - up)];
  }

  // The nodes that show a box: each with the one that stands for it, itself or one above.
  cover(box, zoom) {
    const level = this.level(box, zoom), {layer} = this, step = layer.tree.side * level.scale, found = [];
    const range = ([from, to], size, count) => {
      const first = max(0, floor(from / step)), end = min(count, ceil(to / step));
      return to <= 0 || from >= size ? [] : Array.from({length: max(0, end - first)}, (_, i) => first + i);
    };
    const columns = range([box[0], box[2]], layer.width, level.columns);
    for (const row of range([box[1], box[3]], layer.height, level.rows)) for (const column of columns) {
      const wanted = this.node(level.index, row, column);
      let node = wanted;
      while (node && !node.planes) node = node.level.index ? this.above(node) : null;
      found.push({wanted, node, x0: column * step, y0: row * step,
        x1: column + 1 < level.columns ? (column + 1) * step : layer.width,
        y1: row + 1 < level.rows ? (row + 1) * step : layer.height});
    }
    return found;
  }

  // What a frame shows, and the list of what it lacks. Returns how many nodes that is.
  show(box, zoom) {
    const cover = this.cover(box, zoom), middle = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
    const wanted = new Set();
    this.frame++;
    for (const {wanted: node, node: there, x0, y0, x1, y1} of cover) {
      if (there) there.frame = this.frame;
      if (node.planes || node.failures > RETRIES.length) continue;
      node.far = hypot((x0 + x1) / 2 - middle[0], (y0 + y1) / 2 - middle[1]);
      for (const up of [0, 2]) if (node.level.index > up) {
        const each = up ? this.above(node, up) : node;
        each.far = min(wanted.has(each) ? each.far : Infinity, node.far);
        wanted.add(each);
      } else if (!up) wanted.add(node);
    }
    this.queue = [...wanted].filter((node) => !node.planes && !node.busy && !node.resting)
      .sort((a, b) => a.level.index - b.level.index || a.far - b.far);
    // What is under way for a frame that is gone makes place.
    for (const node of this.nodes.values()) if (node.busy && !wanted.has(node) && node !== this.root && !node.kept) node.abort.abort();
    this.next();
    this.shown = cover.filter(({node}) => node).map(({wanted: at, node, ...area}) => {
      const {level, row, column} = node, {side, overlap} = this.layer.tree, {scale} = level;
      return {...area, planes: node.planes, relief: node.relief, mask: node.mask, scale,
        width: node.width * scale, height: node.height * scale,
        left: (column * side - (column ? overlap : 0)) * scale, top: (row * side - (row ? overlap : 0)) * scale};
    });
    return cover.filter(({wanted: node}) => !node.planes && node.failures <= RETRIES.length).length;
  }

  next() {
    while (this.loading < AT_ONCE && this.queue.length) {
      const node = this.queue.shift();
      if (!node.planes && !node.busy) this.load(node).catch(() => {});
    }
  }

  // A promise of a node's textures.
  load(node) {
    return (node.busy ??= this.fetch(node).finally(() => {
      node.busy = null;
      this.loading--;
      this.next();
    }));
  }

  async fetch(node) {
    this.loading++;
    node.abort = new AbortController();
    const {signal} = node.abort;
    try {
      const blobs = await this.source(node, signal);
      const maps = await Promise.all(blobs.map((blob) => createImageBitmap(blob, EXACT)));
      if (!this.gone && !signal.aborted) return this.take(node, maps);
      for (const map of maps) map.close();
      this.painter.changed();
    } catch (error) {
      if (signal.aborted || this.gone) return this.painter.changed();
      const pause = RETRIES[node.failures++];
      node.resting = pause !== undefined;
      if (node.resting) setTimeout(() => {
        node.resting = false;
        this.painter.changed();
      }, pause);
      this.painter.changed();
      throw error;
    }
  }

  // Decoded pictures become textures; a node without planes, of coordinates only, has an empty list.
  take(node, maps) {
    const {painter, layer} = this, {gl} = painter, size = maps[0], count = layer.pictures.length;
    [node.width, node.height] = [size.width, size.height];
    const one = (map) => {
      const made = painter.texture(size, 0, 1);
      gl.texSubImage2D(made.kind, 0, 0, 0, gl.RGB, gl.UNSIGNED_BYTE, map);
      return made;
    };
    let planes;
    if (layer.array) {
      planes = [painter.texture(size, count, 1)];
      maps.slice(0, count).forEach((map, slice) => gl.texSubImage3D(
        planes[0].kind, 0, 0, 0, slice, map.width, map.height, 1, gl.RGB, gl.UNSIGNED_BYTE, map));
    } else planes = maps.slice(0, count).map(one);
    node.relief = layer.relief && one(maps[count]);
    node.mask = layer.mask && one(maps[count + !!layer.relief]);
    node.planes = planes;
    for (const map of maps) map.close();
    node.frame = this.frame;
    this.used += node.width * node.height * this.texel;
    this.makeRoom();
    painter.changed();
  }

  makeRoom() {
    const shown = [...this.nodes.values()].filter((node) => node.planes);
    const needed = shown.reduce((sum, node) => sum + (node.frame === this.frame ? node.width * node.height * this.texel : 0), 0);
    const room = max(ROOM, 1.5 * needed);
    for (const node of shown.sort((a, b) => a.frame - b.frame)) {
      if (this.used <= room || node.frame === this.frame) return;
      if (node === this.root || node.kept) continue;
      for (const made of [...node.planes, node.relief, node.mask]) if (made) this.painter.gl.deleteTexture(made.name);
      this.used -= node.width * node.height * this.texel;
      this.nodes.delete(node.key);
    }
  }

  // Fetches all that a box shows; it stays until `release`.
  async need(box, zoom) {
    for (;;) {
      const lacking = this.cover(box, zoom).map(({wanted}) => wanted).filter((node) => {
        node.kept = true;
        return !node.planes;
      });
      if (!lacking.length) return;
      await Promise.all(lacking.slice(0, AT_ONCE).map((node) => this.load(node)));
    }
  }

  release() {
    for (const node of this.nodes.values()) node.kept = false;
    this.makeRoom();
  }

  end() { this.gone = true; }
}

// Where the pictures of a node lie: (tree, levels, blobOf) → (node, signal) → their Blobs.
const SOURCES = {
  node: ({src}, levels, blobOf) => async ({level, row, column}, signal) =>
    split(await blobOf({src: `${src}/${level.index}/${column}_${row}.bin`}, signal)),
  page: ({src}, levels, blobOf) => async ({level, row, column}, signal) =>
    split(await blobOf({id: [src, level.index, column, row].join("-")}, signal)),
  deepzoom: each((name, {level, row, column}) => `${name}_files/${level.index}/${column}_${row}`),
  google: each((name, {level, row, column}) => `${name}/${level.index}/${row}/${column}`),
  zoomify: each((name, node, levels) => {
    const {level, row, column} = node, group = floor(place(levels, node) / 256);
    return `${name}/TileGroup${group}/${level.index}-${column}-${row}`;
  }),
  tarzoom: ({names}, levels, blobOf) => {
    const infos = names.map((name) => once(() => blobOf({src: name + ".tzi"})));
    return (node, signal) => Promise.all(names.map(async (name, index) => {
      const {offsets} = await infos[index](), at = place(levels, node);
      return blobOf({src: name + ".tzb", range: [offsets[at], offsets[at + 1] - 1]}, signal);
    }));
  },
  // Of those that lie together some may not be needed: they have no name.
  itarzoom: ({names}, levels, blobOf) => {
    const info = once(() => blobOf({src: "planes.tzi"}));
    return async (node, signal) => {
      const {offsets, stride} = await info(), at = place(levels, node) * stride, [start] = offsets.slice(at);
      const all = await blobOf({src: "planes.tzb", range: [start, offsets[at + names.length] - 1]}, signal);
      return names.flatMap((name, index) =>
        name ? all.slice(offsets[at + index] - start, offsets[at + index + 1] - start) : []);
    };
  },
};

// A file for each picture of a node.
function each(place) {
  return ({names, suffix}, levels, blobOf) => (node, signal) =>
    Promise.all(names.map((name) => blobOf({src: `${place(name, node, levels)}.${suffix}`}, signal)));
}

// The number of a node where they follow each other, the coarsest level first, row by row.
function place(levels, {level, row, column}) {
  const before = levels.slice(0, level.index).reduce((sum, {rows, columns}) => sum + rows * columns, 0);
  return before + row * level.columns + column;
}

// A description that is fetched when it is first asked for.
function once(fetched) {
  let found;
  return () => (found ??= fetched().then((blob) => blob.text()).then(JSON.parse));
}

// The pictures of a node in one file: their number, their sizes (32 bits, little-endian), themselves.
async function split(blob) {
  const word = async (from, count) => new Uint32Array(await blob.slice(from, from + 4 * count).arrayBuffer());
  const [count] = await word(0, 1), sizes = await word(4, count), found = [];
  let at = 4 + 4 * count;
  for (const size of sizes) found.push(blob.slice(at, at += size));
  if (blob.size !== at) throw new Error(`A tile has ${blob.size} bytes instead of ${at}.`);
  return found;
}
