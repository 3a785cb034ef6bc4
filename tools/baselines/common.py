"""What the contenders of bench_baselines share: the models, running a process, printing numbers."""

import os
import statistics
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# name: image, patch, channels, classes, blocks, width, feed-forward width, batch of a training step
CASES = {
    "gmlp_s16_224": (224, 16, 3, 1000, 30, 256, 1536, 8),
    "gmlp_ti16_224": (224, 16, 3, 1000, 30, 128, 768, 16),
    "gmlp_micro_28": (28, 4, 1, 10, 8, 128, 512, 128),
}


# Read before PyTorch is loaded: with OMP_PROC_BIND its OpenMP binds this thread to one core, and processes inherit that.
AFFINITY = os.sched_getaffinity(0)


def fail(message):
    print(f"bench_baselines: {message}", file=sys.stderr)
    sys.exit(2)


def threads():
    return len(AFFINITY)


def run(command, environment=None, may_refuse=""):
    """The finished process; None if it ends with status 2 and names `may_refuse`."""
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False,
                            preexec_fn=lambda: os.sched_setaffinity(0, AFFINITY))
    if result.returncode == 2 and may_refuse and may_refuse in result.stderr:
        return None
    if result.returncode != 0:
        fail(f"{' '.join(command)} failed:\n{result.stderr}")
    return result


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def warn_if_shared(peaks):
    if min(peaks) < 0.95 * max(peaks):
        print("  the machine's peak changed between rounds: other programs use it; run this again")


def logits_of(program, model, images, output, precision="f32"):
    """The array that `gmlp-vision predict` writes."""
    import numpy

    run([program, "predict", "--model", model, "--input-array", images, "--output-array", output,
         "--precision", precision])
    return numpy.load(output)
