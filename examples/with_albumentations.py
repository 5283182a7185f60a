"""Albumentations: weights are one more mask.

python examples/with_albumentations.py weights.h5 [STEPS]
"""

import random
import sys

import albumentations as A
import numpy as np
import torch
from PIL import Image
from torch import nn

from curate import ScoreFile
from curate.downstream import weighted_cross_entropy

scores = ScoreFile(sys.argv[1])
rows = scores.images.query("status == 'ok'")
transform = A.Compose(
    [A.RandomResizedCrop((96, 128), scale=(0.5, 1.0)), A.HorizontalFlip(), A.ColorJitter()],
    additional_targets={"weights": "mask"},
)
network = nn.Sequential(
    nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.Conv2d(32, len(scores.class_names), 1)
)
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
for _ in range(int((sys.argv[2:] or ["200"])[0])):
    batch = []
    for row in rows.iloc[random.choices(range(len(rows)), k=8)].itertuples():
        image = np.array(Image.open(scores.dataset_root / row.image_path).convert("RGB"))
        maps = {"mask": scores.label_map(row.id), "weights": scores.weight_map(row.id)}
        batch.append(transform(image=image, **maps))
    images, labels, weights = (
        torch.tensor(np.stack([each[key] for each in batch])) for key in ("image", *maps)
    )
    loss = weighted_cross_entropy(network(images.permute(0, 3, 1, 2) / 255), labels, weights)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"loss {loss.item():.3f}")
