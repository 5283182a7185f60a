"""What weights are worth in training: every row of the table of `curate compare`.

    python -m tests.benchmarks.worth DATA ROW --out WORK [--arms real joint ..] [--draws 4]

DATA holds `camvid/train`, `camvid/val`, `carla`, `airsim` and `cables`; ROW is a key of `ROWS`. The
data sets of a row are written to WORK once: CamVid's frames at 180x240, in blocks of 24 frames in a
row. 4 of the 15 blocks are the real images that a draw takes some of, 8 are the pool, in about half
of whose superpixels the corruption of the row is injected; the other 3, and CamVid val, are tests.
Methods were chosen by the 3 blocks (``--test blocks``); figures are of val.

The outcome of each training is kept in `tests/benchmarks/outcomes/ROW/` and is not trained again:
a killed benchmark goes on. Remove those of an arm whose code has changed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from curate.comparing.compare import compare
from curate.comparing.outcomes import OUTCOMES_NAME, CompareFolder
from curate.config import ArmConfig, Config, DatasetConfig, FitConfig
from curate.data.classes import PUBLISHED_IDS
from curate.reporting import LogReporter
from tests.benchmarks.streams import corrupt, pick, read

if TYPE_CHECKING:
    import torch

    from curate.records import Batch

KEPT = Path(__file__).parent / "outcomes"
FINE, BLOCK = (180, 240), 24
CARLA = "carla-legacy" if "carla-legacy" in PUBLISHED_IDS else "carla"
TESTS, REALS = (1, 4, 9), (0, 5, 8, 13)
"""Blocks of CamVid train that are tests, and those that draws of real images are taken from."""


@dataclass(frozen=True)
class Row:
    """One setting.

    Attributes
    ----------
    kind : str
        ``cables``, ``streets`` (CARLA and AirSim as they are), or a corruption.
    num_real : int
        Images of a draw.
    steps : int
    """

    kind: str
    num_real: int
    steps: int


ROWS = {
    **{f"{kind}-20": Row(kind, 20, 750) for kind in ("wrong_label", "mixture", "pasted", "style")},
    **{f"cables-{number}": Row("cables", number, 250) for number in (5, 10, 20)},
    **{f"streets-{number}": Row("streets", number, 750) for number in (5, 20, 60)},
}


def blocks(count: int) -> np.ndarray:
    """Number the block of each of `count` frames; the last block takes what is left over."""
    return np.minimum(np.arange(count) // BLOCK, count // BLOCK - 1)


def write_set(folder: Path, batch: Batch) -> None:
    """Write images and labels as a data set of layout `folder`."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for key, image, label_map in zip(batch.keys, batch.images, batch.label_map, strict=True):
        stem = key.rpartition(":")[2].rpartition("/")[2]
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"images/{stem}.png")
        Image.fromarray(label_map.numpy()).save(folder / f"labels/{stem}.png")


def write_truth(folder: Path, batch: Batch, corrupted: torch.Tensor) -> None:
    """Write 255 where a pixel is sound and 0 where it is corrupted, one PNG an image."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for key, mask in zip(batch.keys, corrupted, strict=True):
        stem = key.rpartition(":")[2].rpartition("/")[2]
        path = folder / f"images/{stem}.png"
        Image.fromarray((~mask).numpy().astype(np.uint8) * 255).save(path)


def write_camvid(data: Path, work: Path, kind: str) -> None:
    """Write the real images, tests and, where `kind` is a corruption, the pool and its truth."""
    if (work / "done").exists():
        return
    frames = read(data / "camvid/train", "camvid11", FINE)
    block = blocks(len(frames.keys))
    is_test, is_real = np.isin(block, TESTS), np.isin(block, REALS)
    if kind == "streets":
        is_real = ~is_test
    parts = {"real": is_real, "blocks": is_test}
    for name, rows in parts.items():
        write_set(work / name, pick(frames, np.flatnonzero(rows)))
    write_set(work / "val", read(data / "camvid/val", "camvid11", FINE))
    if kind != "streets":
        pool, corrupted = corrupt(pick(frames, np.flatnonzero(~is_test & ~is_real)), kind, 0)
        write_set(work / "pool", pool)
        write_truth(work / "truth", pool, corrupted)
    (work / "done").touch()


def make_config(data: Path, work: Path, row: Row, test: str) -> Config:
    """Settings of a row; its data sets are written where they are missing."""
    fit = FitConfig(size=(96, 128), steps=row.steps, device="cpu", num_real=row.num_real)
    if row.kind == "cables":
        cables = work / "cables.toml"
        cables.write_text('[ids]\n0 = "background"\n1 = "cable"\n')
        parts = {"real": "real_train", "synthetic": "synthetic", "test": "real_test"}
        sets = {
            name: (DatasetConfig(path=data / "cables" / folder, id_map=str(cables)),)
            for name, folder in parts.items()
        }
        return Config(root=work, classes=["background", "cable"], fit=fit, **sets)
    write_camvid(data, work, row.kind)
    pool = {"pool": (work / "pool", "camvid11")}
    streets = {"carla": (data / "carla", CARLA), "airsim": (data / "airsim", "camvid11")}
    synthetic = streets if row.kind == "streets" else pool
    return Config(
        root=work,
        classes="camvid11",
        real=(DatasetConfig(path=work / "real", id_map="camvid11"),),
        synthetic=tuple(DatasetConfig(path=p, id_map=m) for p, m in synthetic.values()),
        test=(DatasetConfig(path=work / test, id_map="camvid11"),),
        arm=() if row.kind == "streets" else (oracle(work),),
        fit=fit,
    )


def oracle(work: Path) -> ArmConfig:
    """Make the arm that knows which pixels are sound."""
    return ArmConfig(name="oracle", method="given", settings={"maps": str(work / "truth")})


def copy_outcomes(source: Path, target: Path, folders: dict[str, str] | None = None) -> None:
    """Copy the outcomes that `target` lacks; `folders` that warnings name get other names."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.json")):
        if not (target / path.name).exists():
            text = path.read_text()
            for folder, name in (folders or {}).items():
                text = text.replace(folder, name)
            (target / path.name).write_text(text)


def run_row(options: argparse.Namespace) -> str:
    """Train what is missing of a row, keep the outcomes, and return the table."""
    row = ROWS[options.row]
    name = f"{options.row}-{options.steps or row.steps}"
    if options.steps:
        row = replace(row, steps=options.steps)
    work = options.out.resolve() / options.row
    work.mkdir(parents=True, exist_ok=True)
    config = make_config(options.data.resolve(), work, row, options.test)
    config = config.with_fit(keep_mib=1024)
    out, kept = options.out.resolve() / f"{name}-{options.test}", KEPT / name / options.test
    with CompareFolder(out, config, resume=out.exists(), overwrite=False):
        copy_outcomes(kept, out / OUTCOMES_NAME)
    for draws in range(1, options.draws + 1):  # after each, what is new is kept
        result = compare(
            config,
            arms=options.arms,
            seeds=options.seeds,
            draws=draws,
            num_real=row.num_real,
            out=out,
            workers=options.workers,
            resume=True,
            reporter=LogReporter(),
        )
        folders = {str(options.data.resolve()): "DATA", str(options.out.resolve()): "WORK"}
        copy_outcomes(out / OUTCOMES_NAME, kept, folders)
    return "\n".join([(out / "table.md").read_text(), *result.said])


def main() -> None:
    """Run one row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", default=["real", "joint", "constant", "default"])
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, help="other than those of the row")
    parser.add_argument("--test", choices=["val", "blocks"], default="val")
    parser.add_argument("--workers", type=int, default=1)
    print(run_row(parser.parse_args()))


if __name__ == "__main__":
    main()
