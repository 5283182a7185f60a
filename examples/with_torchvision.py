"""torchvision's transforms v2 crop and flip the weights with image and label.

python examples/with_torchvision.py weights.h5 [STEPS]
"""

import random
import sys

import torch
from torchvision import tv_tensors
from torchvision.io import ImageReadMode, decode_image
from torchvision.models.segmentation import lraspp_mobilenet_v3_large
from torchvision.transforms import v2

from curate import ScoreFile
from curate.downstream import weight_mask, weighted_cross_entropy

scores = ScoreFile(sys.argv[1])
rows = scores.images.query("status == 'ok'")
transform = v2.Compose(
    [
        v2.RandomResizedCrop((96, 128), scale=(0.5, 1.0), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
    ]
)
network = lraspp_mobilenet_v3_large(
    weights=None, weights_backbone=None, num_classes=len(scores.class_names)
)
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
for _ in range(int((sys.argv[2:] or ["200"])[0])):
    batch = []
    for row in rows.iloc[random.choices(range(len(rows)), k=8)].itertuples():
        pixels = decode_image(str(scores.dataset_root / row.image_path), ImageReadMode.RGB)
        labels = tv_tensors.Mask(torch.tensor(scores.label_map(row.id))[None])
        batch.append(transform(tv_tensors.Image(pixels), labels, weight_mask(scores, row.id)))
    images, labels, weights = map(torch.stack, zip(*batch, strict=True))
    loss = weighted_cross_entropy(network(images)["out"], labels[:, 0], weights)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"loss {loss.item():.3f}")
