// libminiseg as WebAssembly, for pages and Node: `new MiniSeg(wasm, plan)`, then `run(pixels, height, width)`.
// The functions, and the layout of their structures, are those of miniseg_edge/native/src/miniseg.h on a 32-bit machine.
"use strict";

class MiniSeg {
  // wasm and plan: Uint8Array. set: a `miniseg_set`; 0 takes the fastest. Throws where the library refuses.
  constructor(wasm, plan, set = 0) {
    const module = new WebAssembly.Module(wasm);
    const denied = () => 52;  // ENOSYS: the library needs no system; its runtime would write a last word as it aborts
    const system = Object.fromEntries(WebAssembly.Module.imports(module).map(({ name }) => [name, denied]));
    this.c = new WebAssembly.Instance(module, { wasi_snapshot_preview1: system }).exports;
    this.c._initialize();
    this.error = this.c.malloc(256);
    this.handle = this.c.malloc(4);
    const place = this.put(plan);
    this.call("miniseg_open", place, plan.length, set, this.handle, this.error);
    this.c.free(place);
    this.model = this.view.getUint32(this.handle, true);
    this.context = 0;
  }

  get view() { return new DataView(this.c.memory.buffer); }

  put(bytes) {
    const place = this.c.malloc(bytes.length);
    if (place === 0) throw new Error("MEMORY: the browser gives no more memory");
    new Uint8Array(this.c.memory.buffer, place).set(bytes);
    return place;
  }

  call(name, ...words) {
    if (this.c[name](...words) === 0) return;
    const code = this.view.getInt32(this.error, true);
    const text = new Uint8Array(this.c.memory.buffer, this.error + 4, 252);
    throw new Error(`${name}: ${new TextDecoder().decode(text.slice(0, text.indexOf(0)))} (${code})`);
  }

  // A context, and places for a slice and its logits. One size at a time.
  resize(height, width) {
    if (this.height === height && this.width === width) return;
    this.c.miniseg_context_close(this.context);
    this.context = 0;
    const options = this.put(new Uint8Array(new Uint32Array([24, 1, height, width, 0, 0]).buffer));
    this.call("miniseg_context_open", this.model, options, this.handle, this.error);
    this.context = this.view.getUint32(this.handle, true);
    [this.height, this.width] = [height, width];
  }

  // Logits of grey pixels, 0..255 (Uint8Array or Float32Array, height * width): Float32Array, lesion where above 0.
  // For two classes and one channel.
  run(pixels, height, width) {
    this.resize(height, width);
    const size = pixels.BYTES_PER_ELEMENT, area = height * width;
    const from = this.put(new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength));
    const to = this.c.malloc(4 * area);
    const slice = this.put(new Uint8Array(48)), output = this.put(new Uint8Array(32));
    const { view } = this;
    [48, size === 1 ? 1 : 3, from, height, width].forEach((word, i) => view.setUint32(slice + 4 * i, word, true));
    [0, width * size, size].forEach((stride, i) => view.setBigInt64(slice + 24 + 8 * i, BigInt(stride), true));
    [32, 0, to].forEach((word, i) => view.setUint32(output + 4 * i, word, true));
    view.setBigInt64(output + 24, BigInt(4 * width), true);
    try {
      this.call("miniseg_run", this.context, slice, output, this.error);
      return new Float32Array(this.c.memory.buffer, to, area).slice();
    } finally {
      [from, to, slice, output].forEach(place => this.c.free(place));
    }
  }
}

// Bilinear, to another size, as OpenCV's INTER_LINEAR does it in float32.
function resized(image, height, width, toHeight, toWidth) {
  if (height === toHeight && width === toWidth) return image;
  const places = (from, to) => Array.from({ length: to }, (_, i) => {
    const place = (i + 0.5) * (from / to) - 0.5, low = Math.floor(place);
    if (low < 0) return [0, 0, 0];
    return low >= from - 1 ? [from - 1, from - 1, 0] : [low, low + 1, Math.fround(place - low)];
  });
  const columns = places(width, toWidth), found = new Float32Array(toHeight * toWidth);
  const between = (a, b, part) => Math.fround(Math.fround(a * Math.fround(1 - part)) + Math.fround(b * part));
  places(height, toHeight).forEach(([above, below, down], y) => columns.forEach(([left, right, along], x) => {
    const across = row => between(image[row * width + left], image[row * width + right], along);
    found[y * toWidth + x] = between(across(above), across(below), down);
  }));
  return found;
}

if (typeof module !== "undefined") module.exports = { MiniSeg, resized };
