// Runs an exported model in ONNX Runtime:
//
//   node onnxruntime.js FOLDER make INPUTS.npy int64|float32 LIMIT DIM...   writes inputs below LIMIT
//   node onnxruntime.js FOLDER check MODEL.onnx INPUTS.npy LOGITS.npy       compares its logits with the file's
//   node onnxruntime.js FOLDER show MODEL.onnx int64|float32 DIM...         prints the shape of the logits of zeros
//
// FOLDER contains node_modules/onnxruntime-node.
"use strict";
const fs = require("fs");
const path = require("path");

const [folder, command, file, ...rest] = process.argv.slice(2);
const { InferenceSession, Tensor } = require(path.resolve(folder, "node_modules/onnxruntime-node"));
const ARRAYS = { int64: BigInt64Array, float32: Float32Array };
const product = (dims) => dims.reduce((a, b) => a * b, 1);

function writeNpy(name, type, shape, data) {
  const descr = type === "int64" ? "<i8" : "<f4";
  let header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  header = header.padEnd(118 - 1) + "\n"; // with the ten bytes before it a multiple of 64
  const start = Buffer.from("\x93NUMPY\x01\x00\x76\x00", "latin1");
  fs.writeFileSync(name, Buffer.concat([start, Buffer.from(header, "latin1"), Buffer.from(data.buffer)]));
}

function readNpy(name) {
  const bytes = fs.readFileSync(name);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, start);
  const shape = header.match(/\(([^)]*)\)/)[1].split(",").map((n) => n.trim()).filter(Boolean).map(Number);
  const type = header.includes("'<i8'") ? "int64" : "float32";
  if (type === "float32" && !header.includes("'<f4'")) throw new Error(`${name}: ${header}`);
  const data = bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length);
  return new Tensor(type, new ARRAYS[type](data), shape);
}

async function run(input) {
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  return (await session.run({ [session.inputNames[0]]: input })).logits;
}

async function main() {
  if (command === "make") {
    const [type, limit, ...dims] = [rest[0], ...rest.slice(1).map(Number)];
    const numbers = Array.from({ length: product(dims) }, (_, i) => (i * i * 7 + i * 3) % 1009);
    const data = type === "int64" ? numbers.map((n) => BigInt(n % limit)) : numbers.map((n) => (n / 1009) * limit);
    writeNpy(file, type, dims, new ARRAYS[type](data));
  } else if (command === "show") {
    const dims = rest.slice(1).map(Number);
    const output = await run(new Tensor(rest[0], new ARRAYS[rest[0]](product(dims)), dims));
    console.log(output.dims.join(" "));
  } else {
    const expected = readNpy(rest[1]);
    const found = await run(readNpy(rest[0]));
    const largest = expected.data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const worst = found.data.reduce((a, b, i) => Math.max(a, Math.abs(b - expected.data[i])), 0);
    console.log(`${found.dims.join(" x ")}: logits up to ${largest.toFixed(3)} differ by ${(worst / largest).toExponential(1)} of that`);
    if (String(found.dims) !== String(expected.dims) || !(worst <= 1e-5 * largest)) process.exit(1);
  }
}

main();
