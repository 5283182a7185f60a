"""What the scores of `streams` are worth in training.

    python -m tests.benchmarks.benefit DATA --out WORK [--seeds 1 2] [--corruptions wrong_label ..]

DATA holds `camvid/train` and `camvid/val`, each with `images/` and `labels/`. 20 images of CamVid
train, evenly spaced and shifted by the seed, are the real set; 240 others, in about half of whose
superpixels one corruption is injected at full strength, are the pool. Every arm trains the same
segmenter from the same start with the product's own step, on the same batches of 8 real and 8 pool
images; arms differ in the weights of the pool's cells only:

============ ========================================================================
real only    The pool is left out of the batches.
joint        1.
hierarchical Those of the method with its default settings, learned beside the segmenter.
p(label)     Probability of the label by a segmenter that saw neither the image nor the pool.
streams      Those of the method, prepared on these real and pool images.
oracle       Sound share of each cell.
============ ========================================================================

The weights of the last four have mean 1 over the pool, and are 1 during the warm-up, as in any
`fit`; `p(label)` and `streams` weigh an uncropped image, before its random changes. Mean IoU is
measured at the labels' own size on CamVid val, by which nothing is chosen.

Results are kept in WORK, one JSON file a training, and beside them what `streams` learned, so that
an interrupted benchmark goes on. Take another WORK for another number of steps or warm-up.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from curate.config import Config, FitConfig
from curate.grid import centres
from curate.methods.hierarchical.settings import HierarchicalSettings
from curate.methods.protocol import unit_weights
from curate.methods.references import reference_log_probabilities
from curate.methods.running_weights import RunningWeights
from curate.methods.uniform import Uniform
from curate.metrics import confusion_matrix, mean_iou
from curate.models import build_segmenter
from curate.models.devices import choose_device
from curate.records import GRID_STRIDE, IGNORE_INDEX, Batch, Evidence
from curate.seeding import stable_seed
from curate.training.networks import build_networks
from curate.training.trainer import Trainer
from tests.benchmarks.gap import describe_closed
from tests.benchmarks.marked import shrink, store, unmark
from tests.benchmarks.real_data import WELL_COVERED, describe
from tests.benchmarks.streams import Experiment, corrupt, pick, read, split

if TYPE_CHECKING:
    from curate.methods import Method
    from curate.methods.streams.method import Streams
    from curate.models import Segmenter

NUM_REAL, NUM_CLASSES, BATCH, EVALUATE_EVERY = 20, 11, 16, 50
SEGMENTER = "efficientnet_lite0_fpn"
ARMS = ("real only", "joint", "hierarchical", "p(label)", "streams", "oracle")
SIZE, FINE, NATIVE = (120, 160), (180, 240), (360, 480)
"""Training size; that of stored images, which no zoom enlarges; that of CamVid's files."""


class Pool(Experiment):
    """The images of one seed and one corruption, and `streams` prepared on them."""

    def __init__(self, options: argparse.Namespace, seed: int, corruption: str) -> None:
        learned = options.out / "learned"
        learned.mkdir(parents=True, exist_ok=True)
        self.options = argparse.Namespace(data=options.data, out=learned)
        self.seed, self.corruption = seed, corruption
        self.config = Config(fit=FitConfig(size=SIZE, seed=seed))
        everything = read(options.data / "camvid/train", "camvid11", FINE)
        real, sound = split(everything, NUM_REAL, seed)
        pool, corrupted = corrupt(sound, corruption, seed)
        nothing = torch.zeros(real.label_map.shape, dtype=torch.bool)
        self.real_source = store(options.out / f"real-{seed}", real, nothing)
        self.pool_source = store(options.out / f"pool-{seed}-{corruption}", pool, corrupted)
        self.real, _ = shrink(real, nothing, SIZE)
        self.pool, self.corrupted = shrink(pool, corrupted, SIZE)

    def draw_real(self, excluded: frozenset[str], steps: int):
        """Randomly changed real images."""
        return self.draw((self.real_source,), (), steps, BATCH // 2, excluded)

    def draw_both(self, steps: int, *, whole: bool):
        """Randomly changed images of both domains, labels marked."""
        return self.draw((self.real_source,), (self.pool_source,), steps, BATCH, whole=whole)

    def learn(self) -> Streams:
        """Prepare `streams`, or take what an earlier call learned."""
        method = self.prepare(self.pool, None)
        if not self._finished.exists():
            torch.save(method.state_dict(), self._finished)
        return method

    def make_hierarchical(self) -> Method:
        """Build the method with its default settings."""
        pixels = self.real.label_map[self.real.label_map != IGNORE_INDEX].long()
        networks = build_networks(
            self.config.with_fit(method="hierarchical"),
            num_classes=NUM_CLASSES,
            real_class_px=torch.bincount(pixels, minlength=NUM_CLASSES).tolist(),
            splits=self.assign_splits(self.pool, HierarchicalSettings().folds),
            is_restored=False,
        )
        return networks.method

    def held_out(self) -> list[Batch]:
        """Images of both domains that tell weighting networks when to stop."""
        splits, batches = self.assign_splits(self.pool, num_folds=1), []
        for domain in (self.real, self.pool):
            rows = [row for row, key in enumerate(domain.keys) if splits[key].held_out]
            batches.append(pick(domain, rows))
        return batches

    @property
    def _finished(self) -> Path:
        return self.options.out / f"streams-{self.seed}-{self.corruption}.pt"

    def _restore(self, method: Streams, left_out: str | None) -> None:
        if self._finished.exists():
            method.load_state_dict(torch.load(self._finished))
        else:
            super()._restore(method, left_out)


def shares(mask: torch.Tensor) -> torch.Tensor:
    """Share of each cell's pixels that a mask (N, H, W) marks: (N, h, w) float32 in [0, 1]."""
    return F.avg_pool2d(mask[:, None].float(), GRID_STRIDE, ceil_mode=True)[:, 0]


class Oracle(Uniform):
    """Weighs a cell by its sound share, which it must be told before every step."""

    def __init__(self, pool: Batch, corrupted: torch.Tensor) -> None:
        super().__init__()
        self.mean = float(shares(~corrupted)[centres(pool.label_map) != IGNORE_INDEX].mean())
        self.corrupted = corrupted

    def step(self, evidence: Evidence, *, is_warmup: bool):
        """Weigh by what was told."""
        weights = unit_weights(evidence)
        return (weights if is_warmup else shares(~self.corrupted) / self.mean), {}


class LabelProbability(Uniform):
    """Weighs a cell by the probability of its label, by a reference segmenter."""

    weighs_uncropped = True

    def __init__(self, streams: Streams) -> None:
        super().__init__()
        self.streams = streams
        self.running = RunningWeights(min_ess=1e-6, max_power=1.0, clip=1e6, uniform=0.0)

    @torch.no_grad()
    def step(self, evidence: Evidence, *, is_warmup: bool):
        """Take that of each pool image's fold; none of them was trained on the pool."""
        weights = unit_weights(evidence)
        if is_warmup:
            return weights, {}
        for row in torch.nonzero(~evidence.is_real)[:, 0].tolist():
            fold = self.streams.splits[evidence.keys[row]].fold
            logs = reference_log_probabilities(
                self.streams.references[fold], evidence.images[row : row + 1]
            )
            given = evidence.label_map[row].clamp(max=NUM_CLASSES - 1)
            weights[row] = logs[0].float().gather(0, given[None])[0].exp()
        synthetic = (evidence.label_map != IGNORE_INDEX) & ~evidence.is_real[:, None, None]
        weights, ess = self.running.weigh(weights, synthetic)
        return weights, {"ess": float(ess)}


def make_method(arm: str, images: Pool) -> Method:
    """Make what weighs the pool in an arm."""
    if arm == "oracle":
        return Oracle(images.pool, images.corrupted)
    if arm in ("real only", "joint"):
        return Uniform()
    if arm == "hierarchical":
        return images.make_hierarchical()
    streams = images.learn()
    return streams if arm == "streams" else LabelProbability(streams)


def train(arm: str, images: Pool, steps: int, warmup: float) -> Segmenter:
    """Train the segmenter of an arm."""
    method = make_method(arm, images)
    torch.manual_seed(stable_seed(images.seed, "segmenter"))
    trainer = Trainer(
        build_segmenter(SEGMENTER, NUM_CLASSES),
        method,
        stages=(),
        settings=FitConfig(size=SIZE, steps=steps, seed=images.seed, warmup=warmup),
        device=choose_device("cpu", "float32"),
    )
    held_out = images.held_out() if arm == "hierarchical" else []
    for step, marked in enumerate(images.draw_both(steps, whole=method.weighs_uncropped)):
        batch, corrupted = unmark(marked)
        if arm == "real only":
            batch = pick(batch, batch.is_real.nonzero()[:, 0].tolist())
        if isinstance(method, Oracle):
            method.corrupted = corrupted
        trainer.step(step, batch)
        if held_out and (step + 1) % EVALUATE_EVERY == 0:
            trainer.evaluate(held_out, is_last=step + 1 == steps)
    return trainer.segmenter.eval()


@torch.no_grad()
def measure(segmenter: Segmenter, unseen: Batch) -> dict[str, float]:
    """Mean IoU, in [0, 1], over all classes and over those that are well covered."""
    confusion = np.zeros((NUM_CLASSES, NUM_CLASSES), np.int64)
    for start in range(0, len(unseen.keys), BATCH):
        rows = slice(start, start + BATCH)
        images = F.interpolate(unseen.images[rows], SIZE, mode="bilinear", antialias=True)
        logits = segmenter(images.float() / 255).logits
        predicted = F.interpolate(logits, NATIVE, mode="bilinear").argmax(dim=1)
        labels = unseen.label_map[rows].numpy()
        confusion += confusion_matrix(labels, predicted.numpy(), NUM_CLASSES)
    return {"miou_8": mean_iou(confusion, WELL_COVERED), "miou_11": mean_iou(confusion)}


def run_seed(
    options: argparse.Namespace, seed: int, corruption: str
) -> dict[str, dict[str, float]]:
    """Train the arms of one seed and corruption that are not finished; read the others."""
    results, images, unseen = {}, None, None
    for arm in options.arms:
        # without the pool, its corruption changes nothing
        name = f"{seed}-{arm}" if arm == "real only" else f"{seed}-{corruption}-{arm}"
        cell = options.out / f"{name}.json"
        if not cell.exists():
            images = images or Pool(options, seed, corruption)
            unseen = unseen or read(options.data / "camvid/val", "camvid11", NATIVE)
            started = time.monotonic()
            values = measure(train(arm, images, options.steps, options.warmup), unseen)
            values["seconds"] = round(time.monotonic() - started, 1)
            cell.write_text(json.dumps(values))
        results[arm] = json.loads(cell.read_text())
        print(f"seed {seed}  {corruption}, {arm}: {json.dumps(results[arm])}", flush=True)
    return results


def print_table(corruption: str, rows: list[dict[str, dict[str, float]]]) -> None:
    """Print mean IoU, differences to joint, and the share of the gap that is closed."""
    print(
        f"\n| {corruption} | mIoU, 8 classes | 11 classes | minus joint, 8 | gap closed, 8 | 11 |"
    )
    print("|---" * 6 + "|")
    for arm in rows[0]:
        values = {
            key: {name: np.array([row[name][key] for row in rows]) for name in rows[0]}
            for key in ("miou_8", "miou_11")
        }
        shown = [describe(list(values[key][arm])) for key in values]
        if "joint" in rows[0]:
            shown.append(describe(list(values["miou_8"][arm] - values["miou_8"]["joint"])))
        if {"joint", "oracle"} <= set(rows[0]):
            shown += [describe_closed(v[arm], v["joint"], v["oracle"]) for v in values.values()]
        print(f"| {arm} | {' | '.join(shown)} |")


def main() -> None:
    """Train what is missing; print a table for each corruption."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--corruptions", nargs="*", default=["wrong_label", "style", "mixture"])
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=list(ARMS))
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--warmup", type=float, default=FitConfig().warmup)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for corruption in options.corruptions:
        rows = [run_seed(options, seed, corruption) for seed in options.seeds]
        print_table(corruption, rows)


if __name__ == "__main__":
    main()
