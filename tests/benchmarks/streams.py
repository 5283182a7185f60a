"""What `streams` finds in a pool of real images of which a known part is corrupted.

    python -m tests.benchmarks.streams DATA --out WORK [--seeds 1 2 3] [--corruptions style ..]

DATA holds `camvid/train` and `carla`, each with `images/` and `labels/`. 60 images of CamVid
train (``--real``) are the real set; 240 others, in about half of whose superpixels one
corruption is injected at full strength, are the pool. Measured is the AUROC of the score of a cell
for "its centre pixel is sound"; those of other methods, `tests.benchmarks.rivals`, are measured
beside it. A corruption written ``-style`` is left out of those that `streams` learns from.
``graded`` is a mixture in another share of each image, for the rank correlation of the images'
scores with it; ``none`` leaves the pool as it is, and measures the effective sample size of the
scores; ``carla`` is the CARLA drive, in which the bonnet of the own car (what is labelled car and
is connected to the bottom edge) is what is to be found. Seeds 0 to 2 were used to develop the
recipe. ``--no-rivals`` measures the streams alone.

One JSON file a cell of the table is kept in WORK, so that an interrupted benchmark goes on.
Reference segmenters and the streams that learn from corruptions use real images only: they are
trained once a seed, and once more for every corruption that is left out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from skimage.measure import label as connected

from curate.auditing.ranking import spearman
from curate.config import AugmentConfig, Config, FitConfig, parse
from curate.corruptions import CORRUPTIONS, LabelledImage, Mixture
from curate.data.batches import evaluation_batches, training_batches
from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.grid import centres
from curate.methods import MethodContext, Preparation, Split
from curate.methods.streams.method import Streams
from curate.methods.streams.streams import STREAMS
from curate.metrics import auroc
from curate.models import build_segmenter
from curate.records import IGNORE_INDEX, Batch, Evidence
from curate.seeding import stable_rng
from curate.training.preparation import choose_superpixels, inject_corruptions
from curate.training.task import assign_splits, pick_evenly
from tests.benchmarks.real_data import describe
from tests.benchmarks.rivals import RIVALS, score_rivals

NUM_POOL, NUM_DRAWN, CAR = 240, 8, 8
KNOWN = ("style", "blur", "noise", "flat", "wrong_label", "pasted")
POOLS = (*KNOWN, "mixture", "graded", "none", "carla")
NUM_CORRUPTION_STREAMS = sum(stream.is_real_only for stream in STREAMS.values())
"""They come first, after the reference segmenters, and like these are trained on real images."""


def read(folder: Path, labels: str, size: tuple[int, int]) -> Batch:
    """Read a whole data set."""
    source = open_dataset(
        folder, layout="auto", id_map=labels, classes=resolve_classes("camvid11"), key="x"
    )
    pairs = [(source, pair) for pair in source.pairs]
    batches = list(evaluation_batches(pairs, size=size, batch_size=16, is_real=True))
    return Batch(
        images=torch.cat([batch.images for batch in batches]),
        label_map=torch.cat([batch.label_map for batch in batches]),
        is_real=torch.cat([batch.is_real for batch in batches]),
        keys=tuple(key for batch in batches for key in batch.keys),
    )


def pick(batch: Batch, rows) -> Batch:
    """Some images of a batch."""
    keys = tuple(batch.keys[row] for row in rows)
    return Batch(batch.images[rows], batch.label_map[rows], batch.is_real[rows], keys)


def take(batch: Batch, rows, prefix: str, *, is_real: bool) -> Batch:
    """Some images as one domain."""
    picked = pick(batch, rows)
    return replace(
        picked,
        is_real=torch.full((len(rows),), is_real),
        keys=tuple(f"{prefix}{key[1:]}" for key in picked.keys),
    )


def split(everything: Batch, num_real: int, seed: int) -> tuple[Batch, Batch]:
    """Some evenly spaced images, shifted by the seed, as the real set; of the others, the pool."""
    count = len(everything.keys)
    spaced = np.linspace(0, count - 1, num_real, endpoint=False).round().astype(int)
    rows = np.sort((spaced + seed) % count)
    rest = pick_evenly(list(np.setdiff1d(np.arange(count), rows)), NUM_POOL)
    real = take(everything, rows, "r0", is_real=True)
    return real, take(everything, rest, "s0", is_real=False)


def corrupt(pool: Batch, name: str, seed: int) -> tuple[Batch, torch.Tensor]:
    """Inject a corruption, strong, into about half of the superpixels; donors are of the pool."""
    is_mixed = name in ("mixture", "graded")
    corruption = Mixture([CORRUPTIONS[k] for k in KNOWN]) if is_mixed else CORRUPTIONS[name]
    images, labels, corrupted = [], [], []
    own = pool.images.numpy(), pool.label_map.numpy()
    for row, key in enumerate(pool.keys):
        rng = stable_rng(seed, "pool", name, key)
        donor = (row + int(rng.integers(1, len(pool.keys)))) % len(pool.keys)
        source = LabelledImage(own[0][row], own[1][row], own[0][donor], own[1][donor])
        share = rng.random() if name == "graded" else 0.5
        injected = corruption.inject(source, rng, strength="strong", share=share)
        images.append(injected.image)
        labels.append(injected.label_map.astype(np.uint8))
        corrupted.append(injected.is_corrupted)
    batch = Batch(
        torch.from_numpy(np.stack(images)),
        torch.from_numpy(np.stack(labels)),
        pool.is_real,
        pool.keys,
    )
    return batch, torch.from_numpy(np.stack(corrupted))


def bonnet(label_map: torch.Tensor) -> torch.Tensor:
    """Find car pixels that are connected to the bottom edge, (N, H, W) bool."""
    masks = []
    for labels in label_map.numpy():
        parts = connected(labels == CAR, connectivity=1)
        at_edge = np.setdiff1d(np.unique(parts[-1]), [0])
        masks.append(np.isin(parts, at_edge))
    return torch.from_numpy(np.stack(masks))


class Experiment:
    """The images of one seed, and methods that were prepared on them."""

    def __init__(self, options: argparse.Namespace, seed: int) -> None:
        self.options, self.seed = options, seed
        size = tuple(options.size)
        self.config = Config(fit=FitConfig(size=size, seed=seed))
        everything = read(options.data / "camvid/train", "camvid11", size)
        self.real, self.pool = split(everything, options.real, seed)

    def prepare(self, synthetic: Batch, left_out: str | None) -> Streams:
        """Prepare a method; what is trained on real images only comes from an earlier call."""
        corruptions = [name for name in Streams.Settings().corruptions if name != left_out]
        settings = parse(Streams.Settings, {"corruptions": corruptions}, where="benchmark")
        torch.manual_seed(self.seed)
        method = Streams.build(
            settings,
            MethodContext(
                num_classes=11,
                feature_channels={},
                real_class_px=[10_000] * 11,
                splits=self.assign_splits(synthetic, settings.folds),
                build_segmenter=partial(build_segmenter, "efficientnet_lite0_fpn", 11),
                build_encoder=partial(build_segmenter, num_classes=11),
            ),
        )
        inject = partial(inject_corruptions, self.real, self.seed)
        preparation = Preparation(
            self.real,
            synthetic,
            self.draw_real,
            inject,
            choose_superpixels,
            self.seed,
            self.config.fit.steps,
        )
        self._restore(method, left_out)
        for progress in method.prepare(preparation):
            if progress.is_safe and progress.done <= settings.folds + NUM_CORRUPTION_STREAMS:
                torch.save(
                    method.state_dict(), self._kept(left_out, progress.done > settings.folds)
                )
        return method.eval()

    def assign_splits(self, synthetic: Batch, num_folds: int) -> dict[str, Split]:
        """Deal the images of both domains as `fit` does."""
        batches = (self.real, synthetic)
        parts = [assign_splits(b.keys, FitConfig().held_out, num_folds, self.seed) for b in batches]
        return parts[0] | parts[1]

    def draw_real(self, excluded: frozenset[str], steps: int):
        """Randomly changed real images."""
        source = open_dataset(
            self.options.data / "camvid/train",
            layout="auto",
            id_map="camvid11",
            classes=resolve_classes("camvid11"),
            key="r0",
        )
        wanted = set(self.real.keys) - excluded
        unwanted = {key for pair in source.pairs if (key := source.key_of(pair)) not in wanted}
        return self.draw((source,), (), steps, NUM_DRAWN, frozenset(unwanted))

    def draw(
        self, real, synthetic, steps: int, batch_size: int, excluded=frozenset(), *, whole=False
    ):
        """Randomly changed images of two domains, the same ones at every call."""
        return training_batches(
            real,
            synthetic,
            size=self.config.fit.size,
            batch_size=batch_size,
            seed=self.seed,
            first_step=0,
            num_steps=steps,
            augment=AugmentConfig(),
            workers=0,
            pin_memory=False,
            exclude=excluded,
            with_uncropped=whole,
        )

    def _kept(self, left_out: str | None, has_corruption: bool) -> Path:
        name = (
            f"real-{self.seed}-{left_out or 'all'}.pt" if has_corruption else f"real-{self.seed}.pt"
        )
        return self.options.out / name

    def _restore(self, method: Streams, left_out: str | None) -> None:
        for path in (self._kept(left_out, True), self._kept(None, False)):
            if path.exists():
                method.load_state_dict(torch.load(path))
                return

    def measure(self, pool_name: str) -> dict:
        """Fill one cell of the table."""
        left_out = pool_name[1:] if pool_name.startswith("-") else None
        name = left_out or pool_name
        started = time.monotonic()
        if name == "carla":
            drive = read(self.options.data / "carla", "carla-legacy", self.config.fit.size)
            rows = pick_evenly(range(len(drive.keys)), NUM_POOL)
            synthetic = take(drive, rows, "s0", is_real=False)
            corrupted = bonnet(synthetic.label_map)
        elif name == "none":
            synthetic, corrupted = (
                self.pool,
                torch.zeros(self.pool.label_map.shape, dtype=torch.bool),
            )
        else:
            synthetic, corrupted = corrupt(self.pool, name, self.seed)
        method = self.prepare(synthetic, left_out)
        maps = score(method, synthetic)
        if self.options.rivals:
            maps |= score_rivals(synthetic, self.real, method, self.seed)
        labels = centres(synthetic.label_map)
        valid, is_corrupted = labels != IGNORE_INDEX, centres(corrupted)
        has_any = bool(is_corrupted.any())
        result = {"seconds": round(time.monotonic() - started, 1)}
        for column, values in maps.items():
            result[column] = auroc(values[valid], ~is_corrupted[valid]) if has_any else None
        fused = maps["fused"][valid]
        result["spearman"] = (
            rank_correlation(maps["fused"], ~is_corrupted, valid) if has_any else None
        )
        result["ess"] = effective_sample_size(fused)
        result["sound"] = float(fused[~is_corrupted[valid]].mean())
        result["corrupted"] = float(fused[is_corrupted[valid]].mean()) if has_any else None
        result["active"] = [n for n in method.networks if n in maps]
        return result


def effective_sample_size(scores: torch.Tensor) -> float:
    """Effective sample size of scores as weights, ``(sum w)^2 / (n sum w^2)``, in (0, 1]."""
    return float(scores.sum() ** 2 / (scores.numel() * (scores**2).sum()))


def rank_correlation(scores: torch.Tensor, sound: torch.Tensor, valid: torch.Tensor) -> float:
    """Spearman's, of the images' mean scores with their shares of sound cells."""
    counts = valid.sum(dim=(1, 2))
    means = [(values * valid).sum(dim=(1, 2)) / counts for values in (scores, sound.float())]
    return spearman(*[values[counts > 0].numpy() for values in means])


@torch.no_grad()
def score(method: Streams, synthetic: Batch) -> dict[str, torch.Tensor]:
    """Score maps of the method and of its streams, (N, h, w) each."""
    parts: dict[str, list[torch.Tensor]] = {}
    for start in range(0, len(synthetic.keys), 16):
        rows = slice(start, start + 16)
        labels = centres(synthetic.label_map[rows]).long()
        evidence = Evidence(
            predictions=torch.zeros(len(labels), 11, *labels.shape[1:]),
            label_map=labels,
            images=synthetic.images[rows].float() / 255,
            is_real=synthetic.is_real[rows],
            keys=synthetic.keys[rows],
        )
        levels = method.scores(evidence)
        found = {"fused": levels.combined} | levels.streams
        for name, values in found.items():
            parts.setdefault(name, []).append(values)
    return {name: torch.cat(values) for name, values in parts.items()}


def main() -> None:
    """Fill the cells that are missing; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--real", type=int, default=60, help="number of real images")
    parser.add_argument("--corruptions", nargs="*", default=list(POOLS))
    parser.add_argument("--left-out", nargs="*", default=["style", "wrong_label", "pasted"])
    parser.add_argument("--size", type=int, nargs=2, default=(120, 160))
    parser.add_argument("--rivals", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table: dict[str, list[dict]] = {}
    names = options.corruptions + [f"-{name}" for name in options.left_out]
    for seed in options.seeds:
        experiment = None
        for name in names:
            cell = options.out / f"cell-{seed}-{name}.json"
            if not cell.exists():
                experiment = experiment or Experiment(options, seed)
                cell.write_text(json.dumps(experiment.measure(name)))
            table.setdefault(name, []).append(json.loads(cell.read_text()))
            print(f"seed {seed}  {name}: {json.dumps(table[name][-1])}", flush=True)
    columns = ("fused", *STREAMS, *(RIVALS if options.rivals else ()))
    print(f"\n| corruption | {' | '.join(columns)} | Spearman | ESS | active (seeds) | seconds |")
    print("|---" * (len(columns) + 5) + "|")
    for name, cells in table.items():
        row = [
            describe(values)
            if (values := [c[column] for c in cells if c.get(column) is not None])
            else "inactive"
            for column in (*columns, "spearman")
        ]
        active = Counter(stream for c in cells for stream in c["active"])
        told = ", ".join(f"{stream} {count}" for stream, count in active.items()) or "none"
        row += [describe([c["ess"] for c in cells]), told, describe([c["seconds"] for c in cells])]
        print(f"| {name} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
