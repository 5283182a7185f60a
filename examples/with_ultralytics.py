"""Ultralytics' semantic segmentation trains on an exported subset.

python examples/with_ultralytics.py subset [EPOCHS], of curate export-subset --format ultralytics
"""

import sys
from pathlib import Path

from ultralytics import YOLO

epochs = int((sys.argv[2:] or ["50"])[0])
model = YOLO("yolo26n-sem.yaml")
model.add_callback(
    "on_train_batch_end",
    lambda trainer: print(f"loss {sum(map(float, trainer.loss_items.values())):.3f}"),
)
model.train(
    data=str(Path(sys.argv[1]) / "data.yaml"), epochs=epochs, imgsz=128, batch=8, device="cpu",
    workers=0, plots=False, val=False, project=str(Path("runs").resolve()), amp=False,
)  # fmt: skip
