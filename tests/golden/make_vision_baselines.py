"""Makes vision_vit and vision_mixer: PyTorch's own layers, put together as timm's VisionTransformer and
MlpMixer. Needs python3-torch and python3-numpy. Usage: tests/golden/make_vision_baselines.py"""
import json
import pathlib
import struct

import numpy
import torch
from torch import nn
from torch.nn import functional as F

IMG, PATCH, CHANS, D, HIDDEN, DEPTH, CLASSES, BATCH = 16, 4, 3, 24, 40, 2, 5, 4
PATCHES = (IMG // PATCH) ** 2
HEADS, SPATIAL = 3, 10


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(D, 3 * D), nn.Linear(D, D)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, HEADS, D // HEADS).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1)) * (D // HEADS) ** -0.5
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, D))


class Block(nn.Module):
    def __init__(self, arch):
        super().__init__()
        self.norm1 = nn.LayerNorm(D, eps=1e-6)
        if arch == "vit":
            self.attn = Attention()
        else:
            self.mlp_tokens = Mlp(PATCHES, SPATIAL)
        self.norm2 = nn.LayerNorm(D, eps=1e-6)
        setattr(self, "mlp" if arch == "vit" else "mlp_channels", Mlp(D, HIDDEN))

    def forward(self, x):
        y = self.norm1(x)
        if hasattr(self, "attn"):
            x = x + self.attn(y)
            return x + self.mlp(self.norm2(x))
        x = x + self.mlp_tokens(y.transpose(1, 2)).transpose(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Conv2d(CHANS, D, PATCH, PATCH)


class Model(nn.Module):
    def __init__(self, arch):
        super().__init__()
        self.stem_name = "patch_embed" if arch == "vit" else "stem"
        if arch == "vit":
            self.cls_token = nn.Parameter(torch.zeros(1, 1, D))
            self.pos_embed = nn.Parameter(torch.zeros(1, PATCHES + 1, D))
        setattr(self, self.stem_name, Stem())
        self.blocks = nn.ModuleList(Block(arch) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(D, eps=1e-6)
        self.head = nn.Linear(D, CLASSES)

    def forward(self, images):
        x = getattr(self, self.stem_name).proj(images).flatten(2).transpose(1, 2)
        vit = hasattr(self, "cls_token")
        if vit:
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x[:, 0] if vit else x.mean(dim=1))


def save(path, tensors, metadata):
    names = {"float32": "F32", "float64": "F64", "int64": "I64"}
    header, data = {"__metadata__": metadata}, b""
    for name, array in tensors.items():
        array = numpy.ascontiguousarray(array)
        begin, data = len(data), data + array.tobytes()
        header[name] = {"dtype": names[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def make(arch, dtype, name):
    torch.manual_seed(1)
    model = Model(arch).double()
    for parameter in model.parameters():  # larger than a start's, so that every part counts
        nn.init.normal_(parameter, std=0.3)
    images = torch.randn(BATCH, CHANS, IMG, IMG, dtype=torch.float64)
    target = torch.randint(CLASSES, (BATCH,))
    model, images = model.to(dtype), images.to(dtype)
    tensors = {"input": images, "target": target}
    parameters = dict(model.named_parameters())
    tensors |= {"param." + key: value.detach().clone() for key, value in parameters.items()}
    logits = model(images)
    loss = F.cross_entropy(logits, target)
    loss.backward()
    tensors |= {"logits": logits.detach(), "loss": loss.detach().reshape(1)}
    tensors |= {"grad." + key: value.grad.clone() for key, value in parameters.items()}
    decayed = [value for value in parameters.values() if value.dim() >= 2]
    others = [value for value in parameters.values() if value.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05},
                                   {"params": others, "weight_decay": 0.0}], lr=1e-2)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        step_loss = F.cross_entropy(model(images), target)
        losses.append(step_loss.item())
        step_loss.backward()
        optimizer.step()
    tensors["train_losses"] = torch.tensor(losses, dtype=torch.float64)
    tensors |= {"trained." + key: value.detach() for key, value in parameters.items()}
    config = {"img": IMG, "patch": PATCH, "chans": CHANS, "d": D, "f": HIDDEN, "depth": DEPTH,
              "classes": CLASSES, "arch": arch}
    config |= {"heads": HEADS} if arch == "vit" else {"spatial_ffn": SPATIAL}
    case = json.dumps({"kind": "vision", "model": config})
    suffix = "f64" if dtype == torch.float64 else "f32"
    save(pathlib.Path(__file__).parent / f"{name}.{suffix}.safetensors",
         {key: value.numpy() for key, value in tensors.items()}, {"case": case})


for arch in ("vit", "mixer"):
    for dtype in (torch.float64, torch.float32):
        make(arch, dtype, f"vision_{arch}")
