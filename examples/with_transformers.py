"""Hugging Face's Trainer with a loss that weighs pixels.

python examples/with_transformers.py weights.h5 [STEPS]
"""

import sys

import torch
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.v2.functional import resize
from transformers import (
    SegformerConfig,
    SegformerForSemanticSegmentation,
    Trainer,
    TrainingArguments,
)

from curate import ScoreFile
from curate.downstream import weighted_cross_entropy

SIZE = (96, 128)
scores = ScoreFile(sys.argv[1])


class Weighted(Trainer):
    def compute_loss(self, model, inputs, **_):
        logits = model(inputs["pixel_values"]).logits
        logits = torch.nn.functional.interpolate(logits, SIZE, mode="bilinear")
        loss = weighted_cross_entropy(logits, inputs["labels"], inputs["weights"])
        print(f"loss {loss.item():.3f}")
        return loss


def read(row):
    image = decode_image(str(scores.dataset_root / row.image_path), ImageReadMode.RGB)
    maps = {"labels": scores.label_map, "weights": scores.weight_map}
    tensors = {key: torch.tensor(read_map(row.id, size=SIZE)) for key, read_map in maps.items()}
    return {"pixel_values": resize(image, SIZE) / 255, **tensors}


steps = int((sys.argv[2:] or ["200"])[0])
data = [read(row) for row in scores.images.query("status == 'ok'").itertuples()]
names = dict(enumerate(scores.class_names))
model = SegformerForSemanticSegmentation(SegformerConfig(id2label=names, depths=[1, 1, 1, 1]))
settings = TrainingArguments(
    "trainer", max_steps=steps, learning_rate=1e-3, report_to="none", save_strategy="no",
    remove_unused_columns=False, use_cpu=True, disable_tqdm=True, logging_strategy="no",
)  # fmt: skip
Weighted(model, settings, train_dataset=data).train()
