"""Lightning: it divides what `ImageSampler` draws among its processes itself.

python examples/with_lightning.py subset [STEPS], of export-subset --format folder --weight-maps
"""

import json
import sys
from pathlib import Path

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.v2.functional import InterpolationMode, resize

from curate.downstream import ImageSampler, weighted_cross_entropy

SIZE, ROOT, STEPS = (96, 128), Path(sys.argv[1]), int((sys.argv[2:] or ["200"])[0])
SCALE = json.loads((ROOT / "weights.json").read_text())["weight_of_255"] / 255


def read(label):
    image = next((ROOT / "images").glob(f"{label.relative_to(ROOT / 'labels').with_suffix('')}.*"))
    weights = ROOT / "weights" / label.relative_to(ROOT / "labels")
    maps = (resize(decode_image(p), SIZE, InterpolationMode.NEAREST) for p in (label, weights))
    return resize(decode_image(image, ImageReadMode.RGB), SIZE) / 255, *maps


class Segmenter(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.Conv2d(32, 32, 1)
        )

    def training_step(self, batch, _):
        images, labels, weights = batch
        loss = weighted_cross_entropy(self.network(images), labels[:, 0], weights * SCALE)
        print(f"loss {loss.item():.3f}")
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


labels = sorted((ROOT / "labels").rglob("*.png"))
sampler = ImageSampler([1.0] * len(labels), 8 * STEPS, num_replicas=1)
loader = DataLoader([read(label) for label in labels], batch_size=8, sampler=sampler)
quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
lightning.Trainer(max_epochs=1, accelerator="cpu", **quiet).fit(Segmenter(), loader)
