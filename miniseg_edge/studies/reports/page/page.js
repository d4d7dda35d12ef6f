"use strict";

// What the page carries: grey pictures, masks as runs, numbers. Pixels are made here, for the window that is chosen.
const data = JSON.parse(document.getElementById("data").textContent);
const [height, width] = data.size;
const slices = data.images.length;
const element = (id) => document.getElementById(id);
const LESION = [255, 90, 79], ALONE = [255, 176, 46], THEIRS = [74, 168, 255], BOTH = [215, 221, 227];

const state = { slice: 0, overlay: true, opacity: 0.35, window: "lung", difference: false };

// Masks: runs of pixels without lesion, with, without, ...
function pixelsOf(runs) {
  const mask = new Uint8Array(width * height);
  let at = 0;
  runs.forEach((length, i) => {
    if (i % 2) mask.fill(1, at, at + length);
    at += length;
  });
  return mask;
}
const ours = data.ours.map(pixelsOf);
const other = data.other ? data.other.map(pixelsOf) : null;
const areas = data.areas;

// Grey value of a picture -> what the screen shows, for a window in HU.
function table([low, high]) {
  const shown = new Uint8ClampedArray(256);
  for (let grey = 0; grey < 256; grey++) {
    const upper = data.knots.findIndex(([, knot], i) => i > 0 && grey <= knot);
    const [[hu0, grey0], [hu1, grey1]] = [data.knots[upper - 1], data.knots[upper]];
    const hu = hu0 + ((grey - grey0) / (grey1 - grey0)) * (hu1 - hu0);
    shown[grey] = ((hu - low) / (high - low)) * 255;
  }
  return shown;
}
const tables = { lung: table(data.windows.lung), soft: table(data.windows.soft) };

// Waits for a picture's own load event: so the page counts as loaded once the first slice is drawn.
function decoded(base64) {
  const image = new Image();
  const loaded = new Promise((done, failed) => Object.assign(image, { onload: done, onerror: failed }));
  image.src = "data:image/jpeg;base64," + base64;
  return loaded.then(() => {
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  });
}
const greys = new Map();
function greyOf(slice) {
  if (!greys.has(slice)) {
    greys.set(slice, decoded(data.images[slice]).then(({ data: rgba }) => rgba.filter((_, i) => i % 4 === 0)));
  }
  return greys.get(slice);
}

function isEdge(mask, i) {
  const x = i % width;
  return x === 0 || x === width - 1 || i < width || i >= mask.length - width ||
    !(mask[i - 1] && mask[i + 1] && mask[i - width] && mask[i + width]);
}

// The colour of a pixel of a mask and how much of it is seen, or nothing.
function tint(mask, theirs, i) {
  if (state.difference && theirs) {
    if (!mask[i] && !theirs[i]) return null;
    if (mask[i] && theirs[i]) return [BOTH, Math.max(state.opacity, 0.35)];
    return [mask[i] ? ALONE : THEIRS, Math.max(state.opacity, 0.6)];
  }
  if (!mask[i]) return null;
  return [LESION, isEdge(mask, i) ? 1 : state.opacity];
}

function paint(canvas, grey, mask, theirs) {
  const image = new ImageData(width, height), shown = tables[state.window];
  for (let i = 0; i < grey.length; i++) {
    const value = shown[grey[i]], found = state.overlay ? tint(mask, theirs, i) : null;
    for (let c = 0; c < 3; c++) {
      image.data[4 * i + c] = found ? value + (found[0][c] - value) * found[1] : value;
    }
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

async function draw() {
  const slice = state.slice, grey = await greyOf(slice);
  if (slice !== state.slice) return;
  paint(element("ours"), grey, ours[slice], other && other[slice]);
  if (other) paint(element("other"), grey, state.difference ? ours[slice] : other[slice], other[slice]);
  document.body.dataset.drawn = slice;
  [slice + 1, slice - 1].filter((near) => near >= 0 && near < slices).forEach(greyOf);
}

// Projections: the CT's mean, and over it how much lesion lies along each line of sight. Head above.
function lengths(axis) {
  const columns = axis === "coronal" ? width : height, found = new Float32Array(columns * slices);
  ours.forEach((mask, slice) => {
    if (!areas[slice]) return;
    for (let i = 0; i < mask.length; i++) {
      if (mask[i]) found[(slices - 1 - slice) * columns + (axis === "coronal" ? i % width : Math.floor(i / width))]++;
    }
  });
  return found;
}
const projections = {};
async function project(axis) {
  const image = await decoded(data[axis]), found = lengths(axis);
  const most = found.reduce((one, two) => Math.max(one, two), 1);
  found.forEach((length, i) => {
    if (!length) return;
    const seen = 0.3 + (0.6 * length) / most;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] += (LESION[c] - image.data[4 * i + c]) * seen;
  });
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  projections[axis] = canvas;
}

const PROJECTED = 480;
function place(axis) {
  const canvas = element(axis), source = projections[axis];
  if (!source) return;
  const across = source.width * data.spacing[axis === "coronal" ? 2 : 1], up = slices * data.spacing[0];
  const scale = PROJECTED / Math.max(across, up);
  canvas.width = Math.max(1, Math.round(across * scale));
  canvas.height = Math.max(1, Math.round(up * scale));
  const context = canvas.getContext("2d");
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  context.fillStyle = "rgba(255, 255, 255, 0.85)";
  context.fillRect(0, ((slices - state.slice - 0.5) / slices) * canvas.height - 0.75, canvas.width, 1.5);
}

function tell() {
  const slice = state.slice, area = areas[slice];
  element("caption").textContent =
    (other ? "this result, " : "") + `slice ${slice} of 0 to ${slices - 1}` + (area ? `, lesion ${area.toFixed(0)} mm\u00b2` : ", no lesion");
  element("slice").value = slice;
  element("here").setAttribute("x1", slice + 0.5);
  element("here").setAttribute("x2", slice + 0.5);
  element("lung").setAttribute("aria-pressed", state.window === "lung");
  element("soft").setAttribute("aria-pressed", state.window === "soft");
  element("overlay").checked = state.overlay;
  if (other) {
    element("dice").textContent = `Dice in this slice ${data.dice[slice].toFixed(4)}`;
    element("difference").checked = state.difference;
    element("legend").hidden = !state.difference;
  }
}

function change(changes) {
  Object.assign(state, changes);
  state.slice = Math.min(slices - 1, Math.max(0, state.slice));
  tell();
  place("coronal");
  place("sagittal");
  draw();
}

function next() {
  const order = Array.from({ length: slices }, (_, i) => (state.slice + 1 + i) % slices);
  const found = order.find((slice) => areas[slice]);
  if (found !== undefined) change({ slice: found });
}

const KEYS = {
  ArrowUp: () => change({ slice: state.slice + 1 }),
  ArrowDown: () => change({ slice: state.slice - 1 }),
  PageUp: () => change({ slice: state.slice + 10 }),
  PageDown: () => change({ slice: state.slice - 10 }),
  Home: () => change({ slice: 0 }),
  End: () => change({ slice: slices - 1 }),
  o: () => change({ overlay: !state.overlay }),
  l: () => change({ window: "lung" }),
  s: () => change({ window: "soft" }),
  d: () => other && change({ difference: !state.difference }),
  n: next,
};
document.addEventListener("keydown", (event) => {
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || event.ctrlKey || event.altKey || event.metaKey || event.target.id === "opacity") return;
  event.preventDefault();
  act();
});

// A wheel's notch is a slice; a touch pad's small steps add up to one.
let turned = 0;
function wheel(event) {
  event.preventDefault();
  turned += event.deltaMode ? Math.sign(event.deltaY) * 50 : Math.max(-50, Math.min(50, event.deltaY));
  if (Math.abs(turned) >= 50) {
    change({ slice: state.slice - Math.sign(turned) });
    turned = 0;
  }
}
const axials = other ? ["ours", "other"] : ["ours"];
axials.forEach((id) => {
  const canvas = element(id);
  canvas.width = width;
  canvas.height = height;
  canvas.style.setProperty("--ratio", (width * data.spacing[2]) / (height * data.spacing[1]));
  canvas.addEventListener("wheel", wheel, { passive: false });
});
["coronal", "sagittal"].forEach((axis) => {
  element(axis).addEventListener("wheel", wheel, { passive: false });
  element(axis).addEventListener("click", (event) => {
    const box = event.target.getBoundingClientRect();
    change({ slice: slices - 1 - Math.floor(((event.clientY - box.top) / box.height) * slices) });
  });
});
element("chart").addEventListener("click", (event) => {
  const box = element("chart").getBoundingClientRect();
  change({ slice: Math.floor(((event.clientX - box.left) / box.width) * slices) });
});
element("slice").addEventListener("input", (event) => change({ slice: Number(event.target.value) }));
element("overlay").addEventListener("change", (event) => change({ overlay: event.target.checked }));
element("opacity").addEventListener("input", (event) => change({ opacity: Number(event.target.value) / 100 }));
element("lung").addEventListener("click", () => change({ window: "lung" }));
element("soft").addEventListener("click", () => change({ window: "soft" }));
element("next").addEventListener("click", next);
if (other) element("difference").addEventListener("change", (event) => change({ difference: event.target.checked }));

// The slice with most lesion comes first; without any, the one in the middle.
const most = areas.reduce((best, area, slice) => (area > areas[best] ? slice : best), 0);
change({ slice: areas[most] ? most : Math.floor(slices / 2) });
Promise.all(["coronal", "sagittal"].map(project)).then(() => change({}));
