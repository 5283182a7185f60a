"""Train any segmenter on an exported subset: torch and Pillow, nothing of curate.

python examples/train_on_subset.py subset [STEPS], of curate export-subset --format folder

Labels hold class indices; pixels that were not selected are 255, which every loss can ignore.
"""

import random
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

SIZE = (128, 96)  # width, height
root, steps = Path(sys.argv[1]), int((sys.argv[2:] or ["200"])[0])


def read(image):
    label = (root / "labels" / image.relative_to(root / "images")).with_suffix(".png")
    pixels = np.array(Image.open(image).convert("RGB").resize(SIZE))
    label_map = np.array(Image.open(label).resize(SIZE, Image.Resampling.NEAREST))
    return torch.tensor(pixels).permute(2, 0, 1) / 255, torch.tensor(label_map).long()


pairs = [read(path) for path in sorted((root / "images").rglob("*")) if path.is_file()]
num_classes = 1 + int(torch.cat([label_map[label_map < 255] for _, label_map in pairs]).max())
network = nn.Sequential(
    nn.Conv2d(3, 32, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(32, num_classes, 1)
)
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
for _ in range(steps):
    images, labels = map(torch.stack, zip(*random.choices(pairs, k=8), strict=True))
    logits = F.interpolate(network(images), size=labels.shape[1:], mode="bilinear")
    loss = F.cross_entropy(logits, labels, ignore_index=255, reduction="sum")
    loss = loss / (labels < 255).sum().clamp(min=1)  # of a batch without a pixel, too
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"loss {loss.item():.3f}")
