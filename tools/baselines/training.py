"""Training steps of gmlp and of PyTorch, with Debian's default BLAS and with others."""

import glob
import json
import math
import os
import re
import statistics
import sys
import tempfile

from blas import choose_kernels, is_outdated, without_choices
from common import CASES, fail, logits_of, run, spread, threads, warn_if_shared
from pytorch import write_start

PYTORCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch.py")

# The BLAS of PyTorch: its label, and the folder of its libblas.so.3 among the system's libraries.
BLAS = {
    "stock": ("PyTorch, stock BLAS", "openblas-pthread"),
    "openblas": ("PyTorch, OpenBLAS OpenMP", "openblas-openmp"),
    "blis": ("PyTorch, BLIS OpenMP", "blis-openmp"),
}


AUTOCAST = "autocast"  # with the BLAS that suits the processor best


def blas_folder(kind):
    folders = glob.glob(f"/usr/lib/*/{BLAS[kind][1]}")
    return folders[0] if folders else ""


def run_pytorch(kind, arguments, environment):
    if kind == AUTOCAST:
        arguments = [*arguments, "bf16"]
    result = run([sys.executable, "-B", PYTORCH, *arguments], environment)
    found = json.loads(result.stdout.splitlines()[-1])
    if kind == AUTOCAST:
        return found
    if f"/{BLAS[kind][1]}/" not in found["library"]:
        fail(f"{BLAS[kind][0]}: PyTorch loaded {found['library']}, not the library in {blas_folder(kind)}")
    return found


def prepare_blas(kind):
    """The environment in which PyTorch runs with that BLAS, and a sentence about it. Outdated kernels are replaced."""
    environment = without_choices(os.environ)
    if kind != "stock":
        environment["OMP_NUM_THREADS"] = str(threads())
    environment["LD_LIBRARY_PATH"] = blas_folder(kind)
    found = run_pytorch(kind, [], environment)
    if not is_outdated(found["kernels"]):
        return environment, found["runs_in"]
    chosen = choose_kernels(environment)
    better = run_pytorch(kind, [], environment)
    if is_outdated(better["kernels"]):
        fail(f"{BLAS[kind][0]}: {better['library']} runs its {better['kernels']} kernels, which do not use this "
             f"processor's AVX2, even with {chosen}; leave it out with --blas")
    return environment, (f"{better['runs_in']} (chosen by {chosen}: by itself it runs {found['kernels']} kernels, "
                         "which do not use AVX2)")


def prepare_autocast(environment):
    """The environment for bf16 autocast, and a sentence about it."""
    verbose = run([sys.executable, "-B", PYTORCH, "bf16"], {**environment, "DNNL_VERBOSE": "1", "ONEDNN_VERBOSE": "1"})
    isa = re.search(r"cpu,isa:(.*)", verbose.stdout)
    return environment, ("bf16 autocast, norms in f32, products by oneDNN" +
                         (f" for {isa[1].strip()}" if isa else ", which does not say for which instructions"))


def run_gmlp(precision, name, folder, steps, program):
    """The result of a gmlp-bench process; None if it does not support the precision."""
    path = f"{folder}/step.json"
    command = [program, "step", "--model", name, "--batch-size", str(CASES[name][7]), "--precision",
               precision, "--repeat", str(steps), "--init", f"{folder}/model.safetensors",
               "--input-array", f"{folder}/images.npy", "--json", path]
    if run(command, may_refuse="--precision") is None:
        return None
    with open(path, encoding="utf-8") as file:
        row = json.load(file)["rows"][0]
    peak = row.get("peak_gflops", {"median": math.nan})["median"]
    return {"ms": row["whole_step_ms"]["median"], "losses": row["losses"], "flops": row["flops"],
            "peak": peak, "memory": row["process_peak_bytes"] - row["process_before_bytes"]}


def label_of(contender):
    if contender == AUTOCAST:
        return "PyTorch, bf16 autocast"
    return BLAS[contender][0] if contender in BLAS else f"gmlp {contender}"


def print_contender(contender, turns, found):
    ours = found["f32"]
    ms = statistics.median(turn["ms"] for turn in turns)
    speed = [ours[i]["flops"] / turn["ms"] * 1e-6 for i, turn in enumerate(turns)]
    peaks = [turn.get("peak", ours[i]["peak"]) for i, turn in enumerate(turns)]
    share = statistics.median(100 * s / p for s, p in zip(speed, peaks))
    memory = statistics.median(turn["memory"] for turn in turns) * 1e-6
    line = f"  {label_of(contender):<26}{ms:>9.1f}{statistics.median(speed):>10.1f}{share:>8.1f} %"
    line += f"{memory:>9.0f}"
    result = {"by": label_of(contender), "ms": ms, "gflops": statistics.median(speed),
              "share_of_peak_percent": share, "memory_mb": memory, "losses": turns[0]["losses"]}
    if contender in BLAS or contender == AUTOCAST:
        for precision in [p for p in ("f32", "bf16") if p in found]:
            mine = found[precision]
            speeds = [turn["ms"] / mine[i]["ms"] for i, turn in enumerate(turns)]
            memories = [mine[i]["memory"] / turn["memory"] for i, turn in enumerate(turns)]
            line += f"   {spread(speeds):<24}{statistics.median(memories):>5.2f}"
            result[f"gmlp_{precision}_speed_ratio"] = [statistics.median(speeds), min(speeds), max(speeds)]
            result[f"gmlp_{precision}_memory_ratio"] = statistics.median(memories)
    print(line)
    return result


def compare(name, contenders, environments, options):
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        write_start(folder, name)
        found = {}
        for _ in range(options.rounds):
            for contender in contenders:
                if contender in environments:
                    turn = run_pytorch(contender, [name, folder, str(options.steps)], environments[contender][0])
                else:
                    turn = run_gmlp(contender, name, folder, options.steps, options.bench)
                if turn is not None:
                    found.setdefault(contender, []).append(turn)
        ours = logits_of(options.vision, folder, f"{folder}/images.npy", f"{folder}/logits.npy")
        theirs = numpy.load(f"{folder}/torch_logits.npy")

    ratios = "".join(f"   {'speed of gmlp ' + p:<24}{'mem':>5}" for p in ("f32", "bf16") if p in found)
    print(f"\n{name}, batch {CASES[name][7]}: a step of {found['f32'][0]['flops'] * 1e-9:.1f} GFLOP")
    for kind, (_, runs_in) in environments.items():
        print(f"  {label_of(kind)}: {runs_in}")
    print(f"  {'':<26}{'ms':>9}{'GFLOP/s':>10}{'of peak':>10}{'MB':>9}{ratios}")
    rows = [{"model": name, "batch_size": CASES[name][7], **print_contender(c, turns, found),
             **({"runs_in": environments[c][1]} if c in environments else {})}
            for c, turns in found.items()]
    warn_if_shared([turn["peak"] for turn in found["f32"]])
    torch_losses = next(turns[0]["losses"] for c, turns in found.items() if c in BLAS)
    for precision in [p for p in ("f32", "bf16") if p in found]:
        losses = found[precision][0]["losses"]
        apart = max(abs(a - b) for a, b in zip(losses, torch_losses))
        print(f"  losses of {len(losses)} steps from the same weights: gmlp {precision} {losses[0]:.6f} ... "
              f"{losses[-1]:.6f}, PyTorch {torch_losses[0]:.6f} ... {torch_losses[-1]:.6f}, "
              f"difference at most {apart:.1e}")
    print(f"  logits of the first step: difference at most {abs(ours - theirs).max():.1e}; "
          f"the largest is {abs(theirs).max():.2f}")
    return rows


def print_head(options):
    print(f"training: {options.rounds} rounds of {options.steps} steps, each in its own process; "
          f"{threads()} threads")
    print("Times are medians of rounds. Speed and mem are gmlp's relative to PyTorch, taken per round: median (minimum to")
    print("maximum). MB is the peak memory of the process above weights, gradients and moments.")


def compare_training(options):
    """The rows of all models that the options name."""
    wanted = options.blas.split(",")
    for kind in set(wanted) - set(BLAS):
        fail(f"--blas {kind}: no such choice; use {', '.join(BLAS)}")
    for kind in wanted:
        if not blas_folder(kind):
            print(f"left out, because it is not installed: {BLAS[kind][0]} ({BLAS[kind][1]})")
    here = [kind for kind in wanted if blas_folder(kind)]
    if not here:
        fail(f"--blas {options.blas}: none of them is installed; `./dev bench --baselines` installs them")
    print_head(options)
    environments = {kind: prepare_blas(kind) for kind in here}
    environments[AUTOCAST] = prepare_autocast(environments["openblas" if "openblas" in here else here[0]][0])
    contenders = ["f32", *environments, "bf16"]
    names = [name for name in CASES if (options.only or "") in name]
    return [row for name in names for row in compare(name, contenders, environments, options)]
