"""Weigh the loss of any trainer by pixel weights: torch, Pillow and plain h5py, nothing of curate.

python examples/weigh_pixels.py weights.h5 [STEPS]

The score file says where the data set was, and which class each id of its labels stands for.
"""

import json
import random
import sys
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

SIZE = (128, 96)  # width, height
file = h5py.File(sys.argv[1])
root, about = Path(file.attrs["dataset_root"].decode()), json.loads(file.attrs["provenance"])
table = {name: values[:] for name, values in file["images"].items()}
class_of = np.full(65536, 255, np.uint8)  # raw id -> class index, 255 = ignored
class_of[[int(raw) for raw in about["id_map"]["ids"]]] = list(about["id_map"]["ids"].values())


def read(row):
    image_path, label_path, size = (
        table[name][row].decode() for name in ("image_path", "label_path", "map_size")
    )
    label = np.array(Image.open(root / label_path))  # the id of labels in colour is in the first
    label_map = class_of[label if label.ndim == 2 else label[..., 0]]
    maps = file["pixel_weights"][size]  # (n, h, w); 255 weighs `scale`
    weights = maps[table["map_row"][row]] * np.float32(maps.attrs["scale"] / 255)
    grids = (Image.fromarray(each).resize(SIZE, 0) for each in (label_map, weights))  # nearest
    pixels = np.array(Image.open(root / image_path).convert("RGB").resize(SIZE))
    return torch.tensor(pixels).permute(2, 0, 1) / 255, *map(torch.tensor, map(np.array, grids))


network = torch.nn.Conv2d(3, len(about["classes"]["names"]), 9, padding=4)
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
rows = np.flatnonzero(table["status"] == b"ok").tolist()
for _ in range(int((sys.argv[2:] or ["200"])[0])):
    images, labels, weights = map(
        torch.stack, zip(*map(read, random.choices(rows, k=8)), strict=True)
    )
    losses = F.cross_entropy(network(images), labels.long(), ignore_index=255, reduction="none")
    loss = (losses * weights).sum() / (labels != 255).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"loss {loss.item():.3f}")
