"""The spatial weights of a checkpoint, and how plot_w and readme_strip draw them. Needs no package."""
import array
import collections
import json
import math
import os
import sys

POSITIVE, NEGATIVE = (178, 24, 43), (33, 102, 172)  # as in a run's filters.png
LEVELS = 24  # steps from white to full color

Gate = collections.namedtuple("Gate", "block w b")  # w has N rows of N weights, b has N numbers


def read_gates(checkpoint):
    """The gates of all blocks in a checkpoint folder, and whether its tokens are patches of an image."""
    path = os.path.join(checkpoint, "model.safetensors")
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}; name a checkpoint folder such as RUN/checkpoints/best")
    size = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8:8 + size])
    except ValueError:
        sys.exit(f"{path}: not a safetensors file, or cut off; copy it again")

    def rows(name):
        tensor = header[name]
        if tensor["dtype"] not in ("F32", "F64"):
            sys.exit(f"{path}: {name} is {tensor['dtype']}; only F32 and F64 are read")
        begin, end = (8 + size + offset for offset in tensor["data_offsets"])
        numbers = array.array("f" if tensor["dtype"] == "F32" else "d", data[begin:end])
        width = tensor["shape"][-1]
        return [numbers[i:i + width] for i in range(0, len(numbers), width)]

    gates = []
    while f"blocks.{len(gates)}.mlp_channels.gate.proj.weight" in header:
        name = f"blocks.{len(gates)}.mlp_channels.gate.proj."
        w, b = rows(name + "weight"), rows(name + "bias")[0]
        n = len(b)
        if len(header[name + "weight"]["shape"]) == 1:  # Toeplitz: 2N - 1 weights
            w = [w[0][n - 1 - i:2 * n - 1 - i] for i in range(n)]
        gates.append(Gate(len(gates), w, b))
    if not gates:
        sys.exit(f"{path} has no spatial weights; name the checkpoint of a gMLP")
    return gates, "stem.proj.weight" in header


def scale_of(gate):
    """The magnitude of full color: 99 % of the weights are smaller."""
    magnitudes = sorted(abs(value) for row in gate.w for value in row)
    return magnitudes[min(len(magnitudes) - 1, len(magnitudes) * 99 // 100)] or 1


def color_of(level):
    """From blue (-LEVELS) over white (0) to red (LEVELS)."""
    end = POSITIVE if level > 0 else NEGATIVE
    channels = (round(255 + abs(level) / LEVELS * (channel - 255)) for channel in end)
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def draw_map(row, scale, x, y, cell, marked, frame="#111"):
    """SVG of a row of W as a square image of patches, with a frame around the token `marked`."""
    side = math.isqrt(len(row))
    paths = collections.defaultdict(str)
    for token, value in enumerate(row):
        level = round(LEVELS * max(-1.0, min(1.0, value / scale)))
        left, top = token % side * cell, token // side * cell
        if level:
            paths[level] += f"M{left:.4g} {top:.4g}h{cell:.4g}v{cell:.4g}h-{cell:.4g}z"
    out = [f'<g transform="translate({x:g} {y:g})" shape-rendering="crispEdges">',
           f'<path fill="#fff" d="M0 0h{side * cell:.4g}v{side * cell:.4g}H0z"/>']
    out += [f'<path fill="{color_of(level)}" d="{paths[level]}"/>' for level in sorted(paths)]
    left, top = marked % side * cell, marked // side * cell
    out.append(f'<path fill="none" stroke="{frame}" stroke-width="{cell / 6:.2g}" '
               f'd="M{left:.4g} {top:.4g}h{cell:.4g}v{cell:.4g}h-{cell:.4g}z"/>')
    return "\n".join(out) + "</g>\n"
