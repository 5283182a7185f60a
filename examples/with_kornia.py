"""Kornia changes images, labels and weights of a whole batch alike, on any device.

python examples/with_kornia.py weights.h5 [STEPS]
"""

import random
import sys

import kornia.augmentation as K
import numpy as np
import torch
from PIL import Image
from torch import nn

from curate import ScoreFile
from curate.downstream import weighted_cross_entropy

SIZE = (96, 128)
scores = ScoreFile(sys.argv[1])
rows = scores.images.query("status == 'ok'")
augment = K.AugmentationSequential(
    K.RandomHorizontalFlip(), K.RandomAffine(5.0), data_keys=["input", "mask", "mask"]
)
network = nn.Sequential(
    nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.Conv2d(32, len(scores.class_names), 1)
)
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
for _ in range(int((sys.argv[2:] or ["200"])[0])):
    batch = []
    for row in rows.iloc[random.choices(range(len(rows)), k=8)].itertuples():
        image = Image.open(scores.dataset_root / row.image_path).convert("RGB").resize(SIZE[::-1])
        maps = scores.label_map(row.id, size=SIZE), scores.weight_map(row.id, size=SIZE)
        label_map, weights = (torch.tensor(each)[None].float() for each in maps)
        batch.append((torch.tensor(np.array(image)).permute(2, 0, 1) / 255, label_map, weights))
    images, labels, weights = augment(*map(torch.stack, zip(*batch, strict=True)))
    labels = labels[:, 0].round().long()  # what comes in from outside has weight 0
    loss = weighted_cross_entropy(network(images), labels, weights)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"loss {loss.item():.3f}")
