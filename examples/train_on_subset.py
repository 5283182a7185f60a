"""Train any segmenter on an exported subset: torch and Pillow, nothing of curate.

    python train_on_subset.py subset/ --classes 11 --steps 200

Pixels that were not selected are 255 in the labels, which every loss knows how to ignore.
"""

import argparse
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("subset", type=Path)
parser.add_argument("--classes", type=int, required=True)
parser.add_argument("--steps", type=int, default=200)
options = parser.parse_args()

torch.manual_seed(0)
random.seed(0)
images = sorted(p for p in (options.subset / "images").rglob("*") if p.is_file())
network = nn.Sequential(
    nn.Conv2d(3, 32, 5, stride=2, padding=2), nn.ReLU(),
    nn.Conv2d(32, 64, 5, stride=2, padding=2), nn.ReLU(),
    nn.Conv2d(64, 64, 3, padding=2, dilation=2), nn.ReLU(),
    nn.Conv2d(64, options.classes, 1),
)  # fmt: skip
optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)


def read(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Read an image and its label map at 128 x 96."""
    label = options.subset / "labels" / path.relative_to(options.subset / "images")
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB").resize((128, 96))
    label_map = Image.open(label.with_suffix(".png")).resize((128, 96), Image.Resampling.NEAREST)
    return torch.tensor(np.array(image)).permute(2, 0, 1) / 255, torch.tensor(np.array(label_map))


for step in range(options.steps):
    pairs = [read(path) for path in random.choices(images, k=8)]
    batch = torch.stack([image for image, _ in pairs])
    labels = torch.stack([label for _, label in pairs]).long()
    logits = F.interpolate(network(batch), size=labels.shape[1:], mode="bilinear")
    loss = F.cross_entropy(logits, labels, ignore_index=255)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0 or step == options.steps - 1:
        print(f"step {step:4d}  loss {loss.item():.3f}")
