"""The product on real files: CamVid as real, CARLA and AirSim as synthetic.

    python -m tests.benchmarks.real_data DATA --out WORK [--seeds 3] [--steps 250]

DATA holds `camvid/train`, `camvid/val`, `carla` and `airsim`, each with `images/` and `labels/`.
60 evenly spaced images of CamVid train are the real set. Every arm trains the same segmenter for
the same number of steps of the same number of images; the validation images are only measured on.
Finished runs are kept in WORK, so that an interrupted benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
from scipy import stats

from curate.config import Config, DatasetConfig, FitConfig
from curate.errors import RunError
from curate.training.evaluation import evaluate
from curate.training.fit import fit

NUM_REAL = 60
WELL_COVERED = (0, 1, 2, 3, 4, 5, 7, 8)
"""Classes that both sides show: all but sign, pedestrian and bicyclist."""


def link_real(data: Path, work: Path) -> Path:
    """Link 60 evenly spaced training images into a data set of their own."""
    target = work / "camvid60"
    images = sorted((data / "camvid/train/images").iterdir())
    for index in np.linspace(0, len(images) - 1, NUM_REAL).round().astype(int):
        image = images[index]
        label = data / "camvid/train/labels" / f"{image.stem}.png"
        for source in (image, label):
            link = target / source.parent.name / source.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(source.resolve())
    return target


def make_arms(data: Path, work: Path, options: argparse.Namespace) -> dict[str, Config]:
    """Settings of each arm at seed 0."""
    real = (DatasetConfig(path=link_real(data, work), id_map="camvid11"),)
    synthetic = (
        DatasetConfig(path=data / "carla", id_map="carla-legacy"),
        DatasetConfig(path=data / "airsim", id_map="camvid11"),
    )
    shared = FitConfig(
        steps=options.steps,
        batch_size=options.batch_size,
        device=options.device,
        evaluate_every=50,
    )
    base = Config(root=work, classes="camvid11", real=real, fit=shared)
    joint = base.model_copy(update={"synthetic": synthetic})
    return {
        "real only": base.with_fit(method="uniform"),
        "joint, uniform": joint.with_fit(method="uniform"),
        "joint, hierarchical (predictions)": joint.with_fit(method="hierarchical"),
    }


def run_arm(config: Config, run: Path, data: Path) -> dict[str, float]:
    """Train and measure one arm at one seed; a finished one is only read."""
    summary = run / "benchmark.json"
    if summary.exists():
        return dict(json.loads(summary.read_text()))
    result = fit(config, out=run, resume=run.exists(), overwrite=False)
    measured = evaluate(run, data / "camvid/val", id_map="camvid11", device=config.fit.device)
    if measured.failed:
        msg = f"{measured.failed} validation images could not be read."
        raise RunError(msg)
    values = {
        "miou_11": measured.miou(),
        "miou_8": measured.miou(WELL_COVERED),
        "seconds": result.seconds,
        "images_per_second": result.images_per_second,
    } | {k: v for k, v in result.measured.items() if v is not None}
    summary.write_text(json.dumps(values))
    return values


def describe(values: list[float]) -> str:
    """Mean and 95 % interval by Student's t over seeds."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.3f}"
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"


def main() -> None:
    """Train every arm at every seed; print the table and paired differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    work = options.out.resolve()
    arms = make_arms(options.data.resolve(), work, options)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in arms}
    for seed in range(options.seeds):
        for index, (name, config) in enumerate(arms.items()):
            run = work / f"arm{index}-seed{seed}"
            values = run_arm(config.with_fit(seed=seed), run, options.data.resolve())
            results[name].append(values)
            print(f"seed {seed}  {name}: {json.dumps(values)}", flush=True)
    print("\n| arm | mIoU, 11 classes | mIoU, 8 classes |\n|---|---|---|")
    for name, rows in results.items():
        cells = [describe([row[key] for row in rows]) for key in ("miou_11", "miou_8")]
        print(f"| {name} | {cells[0]} | {cells[1]} |")
    baseline = results["joint, uniform"]
    for name, rows in results.items():
        if rows is not baseline:
            pairs = zip(rows, baseline, strict=True)
            differences = [row["miou_11"] - other["miou_11"] for row, other in pairs]
            print(f"{name} minus joint, uniform (paired, 11 classes): {describe(differences)}")
    for level in ("pixel", "region", "image"):
        areas = [row[f"auroc_{level}"] for row in results["joint, hierarchical (predictions)"]]
        print(f"AUROC real/synthetic, held out, {level}: {describe(areas)}")


if __name__ == "__main__":
    main()
