"""Weigh the loss of any trainer by pixel weights: torch, Pillow and plain h5py.

python weigh_pixels.py synthetic/ weights.h5 --classes 11 --steps 200
"""

import argparse
import random
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("dataset", type=Path)
parser.add_argument("scores", type=Path)
parser.add_argument("--classes", type=int, required=True)
parser.add_argument("--steps", type=int, default=200)
options = parser.parse_args()

torch.manual_seed(0)
random.seed(0)
file = h5py.File(options.scores)
table = file["images"]
rows = [row for row, status in enumerate(table["status"].asstr()[:]) if status == "ok"]
image_paths, label_paths, sizes = (
    table[name].asstr()[:] for name in ("image_path", "label_path", "map_size")
)
map_rows = table["map_row"][:]
network = nn.Sequential(
    nn.Conv2d(3, 32, 5, stride=2, padding=2), nn.ReLU(),
    nn.Conv2d(32, 64, 5, stride=2, padding=2), nn.ReLU(),
    nn.Conv2d(64, options.classes, 1),
)  # fmt: skip
optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)


def read(row: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Read image, label map and weights at 128 x 96."""
    image = ImageOps.exif_transpose(Image.open(options.dataset / image_paths[row]))
    image = image.convert("RGB").resize((128, 96))
    label_map = Image.open(options.dataset / label_paths[row])
    label_map = label_map.resize((128, 96), Image.Resampling.NEAREST)
    maps = file["pixel_weights"][sizes[row]]  # all of one size: (n, h, w), 255 weighs `scale`
    weights = Image.fromarray(maps[map_rows[row]] * np.float32(maps.attrs["scale"] / 255))
    weights = weights.resize((128, 96), Image.Resampling.NEAREST)
    return (
        torch.tensor(np.array(image)).permute(2, 0, 1) / 255,
        torch.tensor(np.array(label_map)),
        torch.tensor(np.array(weights)),
    )


for step in range(options.steps):
    drawn = [read(row) for row in random.choices(rows, k=8)]
    images, labels, weights = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    logits = F.interpolate(network(images), size=labels.shape[1:], mode="bilinear")
    losses = F.cross_entropy(logits, labels.long(), ignore_index=255, reduction="none")
    loss = (losses * weights).sum() / (labels != 255).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0 or step == options.steps - 1:
        print(f"step {step:4d}  loss {loss.item():.3f}")
