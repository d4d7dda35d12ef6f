// Runs slices of one size through the module, in Node: wasm.js ENGINE MODULE PLAN SET HEIGHT WIDTH PIXELS LOGITS
// Standard output has the milliseconds of each slice, one a line.
// What it throws goes to standard error as one line, with exit code 1.
"use strict";
const fs = require("fs");
const [engine, module_, plan, set, height, width, pixels, logits] = process.argv.slice(2);
const { MiniSeg } = require(engine);
try {
  const found = new MiniSeg(fs.readFileSync(module_), fs.readFileSync(plan), Number(set));
  const slices = new Uint8Array(fs.readFileSync(pixels)), area = height * width, out = [];
  for (let i = 0; i < slices.length; i += area) {
    const begun = performance.now(), one = found.run(slices.subarray(i, i + area), Number(height), Number(width));
    process.stdout.write(`${performance.now() - begun}\n`);
    out.push(Buffer.from(one.buffer));
  }
  fs.writeFileSync(logits, Buffer.concat(out));
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
