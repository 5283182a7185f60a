"""What reading score maps adds to a training epoch: images and labels with them, and without.

    python -m tests.benchmarks.score_reading [--images 500] [--rounds 5] [--workers 0 2]

Images and labels of 480x360 are PNG files, as those of simulators are; both are decoded, cropped,
resized, flipped and normalised as a trainer does, and the score map is read for the very same
pixels. The targets are a ratio of at most 1.05, and at most 0.05 ms a map that was read before.
Maps that were read lately are kept in memory; a map is timed with that memory and without, where
it is read from the file and unpacked again, as in an epoch over more maps than fit.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from curate import ScoreFile
from curate.records import OK, SCORE_NAMES, WEIGHT_NAMES, Pair
from curate.scores import maps
from curate.scores.columns import ScoredImage
from curate.scores.packing import pack
from curate.scores.writer import ScoreWriter
from curate.scoring.scored_image import quantise

HEIGHT, WIDTH, STRIDE, CROP, SIZE, NUM_CLASSES = 360, 480, 4, 320, 256, 11
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def make_image(root: Path, row: int, rng: np.random.Generator) -> ScoredImage:
    """Draw a picture of soft shapes and noise with its label, and give it scores."""
    coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
    image = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    noisy = np.asarray(image) + rng.normal(0, 8, (HEIGHT, WIDTH, 3))
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(root / f"{row}.image.png")
    label = Image.fromarray(rng.integers(0, NUM_CLASSES, (24, 32), np.uint8))
    label.resize((WIDTH, HEIGHT), Image.Resampling.NEAREST).save(root / f"{row}.png")
    cells = Image.fromarray(rng.integers(0, 256, (10, 13), np.uint8))
    cells = cells.resize((WIDTH // STRIDE, HEIGHT // STRIDE), Image.Resampling.BICUBIC)
    means = dict.fromkeys((*SCORE_NAMES, *WEIGHT_NAMES), 0.5)
    packed = pack(quantise(np.asarray(cells) / np.float32(255)))
    return ScoredImage(
        pair=Pair(str(row), f"{row}.image.png", f"{row}.png"), height=HEIGHT, width=WIDTH,
        status=OK, message="", valid_px=HEIGHT * WIDTH, class_px=np.full(NUM_CLASSES, 1),
        class_score=np.full(NUM_CLASSES, 0.5), means=means,
        pixel_scores=packed, pixel_weights=packed,
    )  # fmt: skip


def write_files(root: Path, count: int) -> Path:
    """Write the data set and its score file."""
    rng = np.random.default_rng(0)
    out = root / "scores.h5"
    provenance = {
        "dataset": {"layout": "made"}, "levels": ["image", "pixel"], "stride": STRIDE,
        "classes": {"name": "made", "names": [f"c{i}" for i in range(NUM_CLASSES)]},
    }  # fmt: skip
    with ScoreWriter(out, provenance, dataset_root=root) as writer:
        writer.append([make_image(root, row, rng) for row in range(count)])
        writer.finish()
    return out


class Samples(Dataset):
    """Crops, resized, and flipped every other time, with or without the scores of their pixels."""

    def __init__(self, root: Path, count: int, scores: ScoreFile | None) -> None:
        self.root, self.count, self.scores = root, count, scores

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> tuple[torch.Tensor, ...]:
        top, left = row % (HEIGHT - CROP), row % (WIDTH - CROP)
        box = (left, top, left + CROP, top + CROP)
        hflip = row % 2 == 0
        with Image.open(self.root / f"{row}.image.png") as file:
            image = np.array(file.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box))
        with Image.open(self.root / f"{row}.png") as file:
            label_map = np.array(file.resize((SIZE, SIZE), Image.Resampling.NEAREST, box))
        if hflip:
            image, label_map = image[:, ::-1].copy(), label_map[:, ::-1].copy()
        pixels = torch.from_numpy(image).permute(2, 0, 1).float() / 255
        sample = ((pixels - MEAN) / STD, torch.from_numpy(label_map).long())
        if self.scores is None:
            return sample
        weights = self.scores.score_map(
            str(row), crop=(top, left, CROP, CROP), size=(SIZE, SIZE), hflip=hflip
        )
        return (*sample, torch.from_numpy(weights))


def epoch(loader: DataLoader) -> float:
    """Time one epoch; without workers it is processor time, which others do not disturb."""
    clock = time.perf_counter if loader.num_workers else time.process_time
    started = clock()
    for _ in loader:
        pass
    return clock() - started


def time_maps(out: Path, count: int, rounds: int) -> None:
    """Print the processor time of a map that was read before, the best of several epochs."""
    crops = {
        f"{CROP}x{CROP} to {SIZE}x{SIZE}": {"crop": (20, 30, CROP, CROP), "size": (SIZE, SIZE)},
        f"{HEIGHT}x{WIDTH}": {},
    }
    for memory, limit in (("in memory", maps._MAX_CELL_BYTES), ("from the file", 0)):
        with mock.patch.object(maps, "_MAX_CELL_BYTES", limit), ScoreFile(out) as scores:
            for name, options in crops.items():
                times = []
                for _ in range(rounds + 1):
                    started = time.process_time()
                    for row in range(count):
                        scores.score_map(str(row), hflip=row % 2 == 0, **options)
                    times.append((time.process_time() - started) / count * 1e3)
                first, *others = times
                print(f"{name} {memory}: {min(others):.4f} ms a map; first {first:.3f} ms")


def main() -> None:
    """Take turns and print one line a number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        out = write_files(root, options.images)
        time_maps(out, options.images, options.rounds)
        for workers in options.workers:
            loaders = [
                DataLoader(
                    Samples(root, options.images, scores), batch_size=8, num_workers=workers,
                    persistent_workers=workers > 0,
                )
                for scores in (None, ScoreFile(out))
            ]  # fmt: skip
            rounds = [[epoch(loader) for loader in loaders] for _ in range(options.rounds + 1)][1:]
            ratios = [with_maps / plain for plain, with_maps in rounds]
            plain, with_maps = (statistics.median(times) for times in zip(*rounds, strict=True))
            print(
                f"{workers} workers: {plain:.2f} s an epoch without maps, {with_maps:.2f} s with; "
                f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
            )


if __name__ == "__main__":
    main()
