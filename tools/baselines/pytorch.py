"""A gMLP in PyTorch with timm's names, its training step, and the files from which contenders start.

Runs as a process: `python3 pytorch.py NAME FOLDER STEPS [bf16]` trains and prints one line of JSON; bf16 is
autocast. `pytorch.py bf16` only prints what autocast computes with; without arguments, what PyTorch and its BLAS are.
"""

import json
import statistics
import struct
import sys
import time

from blas import kernels_in_use
from common import CASES, threads

WARMUP = 2  # steps before the clock counts, as in gmlp-bench
LEARNING_RATE, DECAY, BETAS, EPS = 1e-3, 0.05, (0.9, 0.999), 1e-6


def make_model(name):
    import torch
    from torch import nn
    from torch.nn import functional

    image, patch, channels, classes, depth, width, ffn, _ = CASES[name]
    tokens = (image // patch) ** 2

    class Norm(nn.LayerNorm):
        def forward(self, x):  # autocast of PyTorch 1.13 has none for bf16
            x = x if x.dtype == torch.float32 else x.float()
            return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    class SpatialGate(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = Norm(ffn // 2)
            self.proj = nn.Linear(tokens, tokens)

        def forward(self, x):
            u, v = x.chunk(2, dim=-1)
            v = self.proj(self.norm(v).transpose(-1, -2))
            return u * v.transpose(-1, -2)

    class Channels(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(width, ffn)
            self.act = nn.GELU()
            self.gate = SpatialGate()
            self.fc2 = nn.Linear(ffn // 2, width)

        def forward(self, x):
            return self.fc2(self.gate(self.act(self.fc1(x))))

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = Norm(width, eps=1e-6)
            self.mlp_channels = Channels()

        def forward(self, x):
            return x + self.mlp_channels(self.norm(x))

    class Stem(nn.Module):
        def __init__(self):
            super().__init__()
            self.proj = nn.Conv2d(channels, width, patch, patch)

        def forward(self, x):
            return self.proj(x).flatten(2).transpose(1, 2)

    class GMlp(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = Stem()
            self.blocks = nn.Sequential(*[Block() for _ in range(depth)])
            self.norm = Norm(width, eps=1e-6)
            self.head = nn.Linear(width, classes)

        def forward(self, x):
            return self.head(self.norm(self.blocks(self.stem(x))).mean(dim=1))

    torch.manual_seed(1)
    model = GMlp()
    with torch.no_grad():  # W is small but not zero, so that the gate matters to the comparison
        for block in model.blocks:
            block.mlp_channels.gate.proj.weight.normal_(std=1e-3)
            block.mlp_channels.gate.proj.bias.fill_(1.0)
    return model


def optimizer_for(model):
    """AdamW with its state in memory, but before its first step."""
    import torch

    decay = [p for p in model.parameters() if p.dim() >= 2]
    plain = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=BETAS, eps=EPS)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for state in optimizer.state.values():
        state["step"].zero_()
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATE
    return optimizer


def write_safetensors(path, tensors):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(array.tobytes())


def write_start(folder, name, batch=0):
    """Writes config.json, model.safetensors and images, from which every contender starts."""
    import numpy

    image, _, channels, classes, _, _, _, usual_batch = CASES[name]
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump({"architecture": name, "num_classes": classes}, file)
    weights = {key: value.numpy() for key, value in make_model(name).state_dict().items()}
    write_safetensors(f"{folder}/model.safetensors", weights)
    random = numpy.random.default_rng(1)
    images = random.uniform(-1, 1, (batch or usual_batch, channels, image, image)).astype(numpy.float32)
    numpy.save(f"{folder}/images.npy", images)


def write_onnx(path, name, images_path):
    """Writes the model of write_start as PyTorch exports it, with its default version of the operators."""
    import numpy
    import torch

    images = torch.from_numpy(numpy.load(images_path))
    torch.onnx.export(make_model(name).eval(), images, path, input_names=["images"],
                      output_names=["logits"])


def status_bytes(name):
    with open("/proc/self/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith(name + ":"):
                return 1024 * int(line.split()[1])
    return 0


def description():
    """What this process computes with; the tools print it beside every table."""
    import torch

    library, kernels = kernels_in_use()
    return {"library": library, "kernels": kernels,
            "runs_in": f"PyTorch {torch.__version__}, eager mode, f32, {library}, {kernels} kernels"}


def multiply_in_bf16():
    """With DNNL_VERBOSE=1 oneDNN, which multiplies bf16, then prints its instruction set."""
    import torch

    square = torch.ones(64, 64, dtype=torch.bfloat16)
    torch.nn.functional.linear(square, square)


def run_worker(name, folder, steps, autocast):
    """A PyTorch process: prints one line of JSON."""
    import numpy
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads())
    model = make_model(name)
    optimizer = optimizer_for(model)
    images = torch.from_numpy(numpy.load(f"{folder}/images.npy"))
    classes, batch = CASES[name][3], CASES[name][7]
    targets = torch.arange(batch) % classes
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")  # the peak counts from here, when weights, gradients and moments are in memory
    before = status_bytes("VmRSS")
    seconds, losses, logits = [], [], None
    for _ in range(WARMUP + steps):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            output = model(images)
        output = output.float()
        loss = functional.cross_entropy(output, targets)
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
        losses.append(loss.item())
        logits = output.detach().numpy().copy() if logits is None else logits
        del output, loss
    if not autocast:
        numpy.save(f"{folder}/torch_logits.npy", logits)
    print(json.dumps({"ms": 1e3 * statistics.median(seconds[WARMUP:]), "losses": losses,
                      "memory": status_bytes("VmHWM") - before, **description()}))


def main():
    if len(sys.argv) >= 4:
        run_worker(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:] == ["bf16"])
    elif sys.argv[1:] == ["bf16"]:
        multiply_in_bf16()
    else:
        print(json.dumps(description()))


if __name__ == "__main__":
    main()
