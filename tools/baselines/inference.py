"""Forward passes of gmlp and of ONNX Runtime. ONNX Runtime runs the graph that PyTorch exports (stock) and the
one that `gmlp-vision export` writes, which is faster because it computes W v̂ without transposing v̂ (tuned)."""

import json
import os
import shutil
import statistics
import tempfile

from common import fail, logits_of, run, spread, threads, warn_if_shared
from pytorch import write_onnx, write_start

WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnxruntime.js")
CASES = [("gmlp_s16_224", 8), ("gmlp_s16_224", 1)]  # model, batch
GMLP = ("f32", "bf16")
GRAPHS = ("stock", "tuned")  # of ONNX Runtime
CONTENDERS = ("f32", "stock", "bf16", "tuned")


def missing_runtime(options):
    """What ONNX Runtime lacks to run here; empty if nothing."""
    if shutil.which("node") is None:
        return "Node.js"
    found = os.path.isdir(f"{options.onnxruntime}/node_modules/onnxruntime-node")
    return "" if found else f"the npm package onnxruntime-node in {options.onnxruntime}"


def run_onnxruntime(graph, folder, passes, options):
    command = ["node", WORKER, options.onnxruntime, f"{folder}/{graph}.onnx", f"{folder}/images.npy",
               f"{folder}/{graph}.npy", str(passes), str(threads())]
    return json.loads(run(command).stdout.splitlines()[-1])


def run_gmlp(precision, name, batch, folder, passes, options):
    path = f"{folder}/infer.json"
    run([options.bench, "infer", "--model", name, "--batch-size", str(batch), "--precision", precision,
         "--repeat", str(passes), "--init", f"{folder}/model.safetensors",
         "--input-array", f"{folder}/images.npy", "--json", path])
    with open(path, encoding="utf-8") as file:
        row = json.load(file)["rows"][0]
    return {"ms": row["forward_ms"]["median"], "flops": row["flops"],
            "peak": row["peak_gflops"]["median"]}


def measure(name, batch, folder, options):
    """The results of each contender, round by round."""
    # A pass of one image is short: more passes make a measurement of about a second.
    passes = options.steps * (1 if batch > 1 else 5)
    found = {contender: [] for contender in CONTENDERS}
    for _ in range(options.rounds):
        for contender in CONTENDERS:
            if contender in GRAPHS:
                found[contender].append(run_onnxruntime(contender, folder, passes, options))
            else:
                found[contender].append(run_gmlp(contender, name, batch, folder, passes, options))
    return found


def print_case(name, batch, found):
    ours = found["f32"]
    gflop = ours[0]["flops"] * 1e-9
    print(f"\n{name}, batch {batch}: a forward pass of {gflop:.1f} GFLOP")
    print(f"  ONNX Runtime {found['stock'][0]['version']}: CPU provider, f32, all graph optimizations")
    print(f"  {'':<26}{'ms':>9}{'GFLOP/s':>10}{'of peak':>10}   speed relative to ONNX Runtime: {', '.join(GRAPHS)}")
    rows = []
    for contender, turns in found.items():
        label = (f"ONNX Runtime {turns[0]['version']}, {contender}" if contender in GRAPHS
                 else f"gmlp {contender}")
        ms = statistics.median(turn["ms"] for turn in turns)
        shares = [1e5 * gflop / turn["ms"] / turn.get("peak", ours[i]["peak"])
                  for i, turn in enumerate(turns)]
        share = statistics.median(shares)
        ratios = {graph: [theirs["ms"] / turn["ms"] for theirs, turn in zip(found[graph], turns)]
                  for graph in GRAPHS}
        beside = "" if contender in GRAPHS else "   ".join(spread(of) for of in ratios.values())
        print(f"  {label:<26}{ms:>9.1f}{1e3 * gflop / ms:>10.1f}{share:>8.1f} %   {beside}".rstrip())
        rows.append({"model": name, "batch_size": batch, "inference_by": label, "ms": ms,
                     "gflops": 1e3 * gflop / ms, "share_of_peak_percent": share,
                     "speed_ratio": {graph: [statistics.median(of), min(of), max(of)]
                                     for graph, of in ratios.items()}})
    warn_if_shared([turn["peak"] for turn in ours])
    return rows


def compare(name, batch, options):
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        write_start(folder, name, batch)
        write_onnx(f"{folder}/stock.onnx", name, f"{folder}/images.npy")
        run([options.vision, "export", "--model", folder, "--format", "onnx",
             "--out", f"{folder}/tuned.onnx"])
        found = measure(name, batch, folder, options)
        rows = print_case(name, batch, found)
        for precision in GMLP:
            ours = logits_of(options.vision, folder, f"{folder}/images.npy", f"{folder}/logits.npy",
                             precision)
            for graph in GRAPHS:
                theirs = numpy.load(f"{folder}/{graph}.npy")
                if not numpy.isfinite(ours).all() or ours.shape != theirs.shape:
                    fail(f"{name}: the logits of gmlp {precision} are not finite or have another shape")
                print(f"  logits of gmlp {precision} and ONNX Runtime, {graph}: differ by "
                      f"{abs(ours - theirs).max():.1e} at most; the largest is {abs(theirs).max():.2f}")
    return rows


def compare_inference(options):
    missing = missing_runtime(options)
    if missing:
        print(f"\nONNX Runtime is left out, because this is missing: {missing}")
        return []
    print(f"\ninference: {options.rounds} rounds, each in its own process; {threads()} threads; ONNX Runtime runs the")
    print("graph that PyTorch exports (stock) and gmlp's (tuned), both in f32.")
    print("Times are medians of rounds; ratios are taken per round: median (minimum to maximum).")
    cases = [case for case in CASES if (options.only or "") in case[0]]
    if not cases:
        print(f"--only {options.only}: inference measures {CASES[0][0]} only, so there is nothing to do")
    return [row for name, batch in cases for row in compare(name, batch, options)]
