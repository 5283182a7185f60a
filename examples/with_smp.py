"""segmentation-models-pytorch on an exported subset: pixels that were left out are 255.

python examples/with_smp.py subset [STEPS], of curate export-subset --format folder
"""

import random
import sys
from pathlib import Path

import segmentation_models_pytorch as smp
import torch
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.v2.functional import InterpolationMode, resize

SIZE = (96, 128)
root = Path(sys.argv[1])
pairs = []
for label in sorted((root / "labels").rglob("*.png")):
    name = label.relative_to(root / "labels").with_suffix("")
    image = decode_image(next((root / "images").glob(f"{name}.*")), ImageReadMode.RGB)
    label_map = resize(decode_image(label), SIZE, InterpolationMode.NEAREST)[0]
    pairs.append((resize(image, SIZE) / 255, label_map.long()))
num_classes = 1 + int(torch.cat([label_map[label_map < 255] for _, label_map in pairs]).max())
network = smp.Unet("resnet18", encoder_weights=None, classes=num_classes)
criterion = smp.losses.DiceLoss("multiclass", ignore_index=255)
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
for _ in range(int((sys.argv[2:] or ["200"])[0])):
    images, labels = map(torch.stack, zip(*random.choices(pairs, k=8), strict=True))
    loss = criterion(network(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"loss {loss.item():.3f}")
