"""Plain torch: draw images and weigh pixels.

python examples/with_torch.py weights.h5 [STEPS]
"""

import sys

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from curate import ScoreFile
from curate.downstream import ImageSampler, weighted_cross_entropy

SIZE, STEPS = (96, 128), int((sys.argv[2:] or ["200"])[0])


class Scored(Dataset):
    def __init__(self, path):
        self.scores = ScoreFile(path)
        self.table = self.scores.images.query("status == 'ok'")

    def __len__(self):
        return len(self.table)

    def __getitem__(self, index):
        row = self.table.iloc[index]
        image = Image.open(self.scores.dataset_root / row.image_path).convert("RGB")
        pixels = torch.tensor(np.array(image.resize(SIZE[::-1]))).permute(2, 0, 1) / 255
        maps = (read(row.id, size=SIZE) for read in (self.scores.label_map, self.scores.weight_map))
        return pixels, *map(torch.tensor, maps)


data = Scored(sys.argv[1])
network = nn.Sequential(
    nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.Conv2d(32, len(data.scores.class_names), 1)
)
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
sampler = ImageSampler(data.table.weight, 8 * STEPS)
for images, labels, weights in DataLoader(data, batch_size=8, sampler=sampler):
    loss = weighted_cross_entropy(network(images), labels, weights)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"loss {loss.item():.3f}")
