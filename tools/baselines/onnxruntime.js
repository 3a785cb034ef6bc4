// An ONNX Runtime process:
//
//   node onnxruntime.js FOLDER MODEL.onnx IMAGES.npy LOGITS.npy PASSES THREADS
//
// FOLDER contains node_modules/onnxruntime-node. Writes the logits and prints one line of JSON: the median
// time of a pass and the version. Two warm-up passes are not timed, as in gmlp-bench.
"use strict";
const fs = require("fs");
const path = require("path");

const [folder, model, images, logits, passes, threads] = process.argv.slice(2);
const library = path.resolve(folder, "node_modules/onnxruntime-node");
const { InferenceSession, Tensor } = require(library);
const WARMUP = 2;

// float32 in C order, as NumPy writes it here.
function readNpy(file) {
  const bytes = fs.readFileSync(file);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, start);
  if (!header.includes("'<f4'") || !header.includes("False")) throw new Error(`${file}: ${header}`);
  const shape = header.match(/\(([^)]*)\)/)[1].split(",").map((n) => n.trim()).filter(Boolean).map(Number);
  const data = bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length);
  return new Tensor("float32", new Float32Array(data), shape);
}

function writeNpy(file, tensor) {
  let header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${tensor.dims.join(", ")}), }`;
  header = header.padEnd(118 - 1) + "\n"; // with the ten bytes before it a multiple of 64
  const start = Buffer.from("\x93NUMPY\x01\x00\x00\x00", "latin1");
  start.writeUInt16LE(header.length, 8);
  const data = Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  fs.writeFileSync(file, Buffer.concat([start, Buffer.from(header, "latin1"), data]));
}

async function main() {
  const session = await InferenceSession.create(model, {
    executionProviders: ["cpu"],
    graphOptimizationLevel: "all",
    intraOpNumThreads: Number(threads),
    interOpNumThreads: 1,
  });
  const input = { images: readNpy(images) };
  const times = [];
  let output;
  for (let i = 0; i < WARMUP + Number(passes); ++i) {
    const start = process.hrtime.bigint();
    output = await session.run(input);
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  writeNpy(logits, output.logits);
  const measured = times.slice(WARMUP).sort((a, b) => a - b);
  const middle = measured.length / 2;
  const ms = (measured[Math.floor(middle)] + measured[Math.ceil(middle) - 1]) / 2;
  const version = JSON.parse(fs.readFileSync(path.join(library, "package.json"), "utf8")).version;
  console.log(JSON.stringify({ ms: ms, version: version }));
}

main();
