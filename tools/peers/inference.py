"""Forward passes: ONNX Runtime, on the graph that `gmlp-vision export` writes, beside gmlp."""

import json
import os
import shutil
import statistics
import tempfile

from common import fail, logits_of, run, spread, threads, warn_if_disturbed
from pytorch import write_start

WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnxruntime.js")
CASES = [("gmlp_s16_224", 8), ("gmlp_s16_224", 1)]  # model, batch
CONTENDERS = ("f32", "onnxruntime", "bf16")


def missing_runtime(options):
    """Why ONNX Runtime cannot be asked, or nothing."""
    if shutil.which("node") is None:
        return "Node.js"
    found = os.path.isdir(f"{options.onnxruntime}/node_modules/onnxruntime-node")
    return "" if found else f"the npm package onnxruntime-node in {options.onnxruntime}"


def run_onnxruntime(folder, passes, options):
    command = ["node", WORKER, options.onnxruntime, f"{folder}/model.onnx", f"{folder}/images.npy",
               f"{folder}/onnxruntime.npy", str(passes), str(threads())]
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
    """The turns of each contender, round by round."""
    # A pass of one image is short: more of them make a turn of about a second.
    passes = options.steps * (1 if batch > 1 else 5)
    found = {contender: [] for contender in CONTENDERS}
    for _ in range(options.rounds):
        for contender in CONTENDERS:
            if contender == "onnxruntime":
                found[contender].append(run_onnxruntime(folder, passes, options))
            else:
                found[contender].append(run_gmlp(contender, name, batch, folder, passes, options))
    return found


def print_case(name, batch, found):
    ours = found["f32"]
    gflop = ours[0]["flops"] * 1e-9
    print(f"\n{name}, batch {batch}: a forward pass of {gflop:.1f} GFLOP")
    print(f"  {'':<26}{'ms':>9}{'GFLOP/s':>10}{'of peak':>10}   is x as fast as ONNX Runtime")
    rows = []
    for contender, turns in found.items():
        label = f"ONNX Runtime {turns[0]['version']} f32" if "version" in turns[0] else f"gmlp {contender}"
        ms = statistics.median(turn["ms"] for turn in turns)
        shares = [1e5 * gflop / turn["ms"] / turn.get("peak", ours[i]["peak"])
                  for i, turn in enumerate(turns)]
        share = statistics.median(shares)
        ratios = [theirs["ms"] / turn["ms"] for theirs, turn in zip(found["onnxruntime"], turns)]
        line = f"  {label:<26}{ms:>9.1f}{1e3 * gflop / ms:>10.1f}{share:>8.1f} %"
        print(line if contender == "onnxruntime" else f"{line}   {spread(ratios)}")
        rows.append({"model": name, "batch_size": batch, "inference_by": label, "ms": ms,
                     "gflops": 1e3 * gflop / ms, "share_of_peak_percent": share,
                     "speed_ratio": [statistics.median(ratios), min(ratios), max(ratios)]})
    warn_if_disturbed([turn["peak"] for turn in ours])
    return rows


def compare(name, batch, options):
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        write_start(folder, name, batch)
        run([options.vision, "export", "--model", folder, "--format", "onnx",
             "--out", f"{folder}/model.onnx"])
        found = measure(name, batch, folder, options)
        rows = print_case(name, batch, found)
        theirs = numpy.load(f"{folder}/onnxruntime.npy")
        for precision in ("f32", "bf16"):
            ours = logits_of(options.vision, folder, f"{folder}/images.npy", f"{folder}/logits.npy",
                             precision)
            if not numpy.isfinite(ours).all() or ours.shape != theirs.shape:
                fail(f"{name}: the logits of gmlp {precision} are not numbers of the same shape")
            print(f"  logits of gmlp {precision} and ONNX Runtime: apart by "
                  f"{abs(ours - theirs).max():.1e} where the largest is {abs(theirs).max():.2f}")
    return rows


def compare_inference(options):
    missing = missing_runtime(options)
    if missing:
        print(f"\nnot here, so left out: ONNX Runtime, for want of {missing}")
        return []
    print(f"\ninference: {options.rounds} rounds, each in a process of its own; {threads()} threads;")
    print("median of rounds, ratios round by round with the least and the most")
    cases = [case for case in CASES if (options.only or "") in case[0]]
    return [row for name, batch in cases for row in compare(name, batch, options)]
