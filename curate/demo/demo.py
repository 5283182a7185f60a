"""The whole pipeline on a drawn world in which the truth about every synthetic pixel is known."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from curate.auditing.audit import audit
from curate.config import CONFIG_NAME, DatasetConfig, load_config
from curate.demo.world import CLASS_NAMES, draw_world
from curate.errors import UsageError
from curate.files.atomic import check_writable
from curate.metrics import auroc
from curate.reporting import LogReporter, Reporter
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from curate.selection.export import export_subset
from curate.training.evaluation import evaluate
from curate.training.fit import fit

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.auditing.result import AuditResult

NUM_REAL: Final = 40
NUM_SYNTHETIC: Final = 120
NUM_TEST: Final = 40
NUM_AUDITED: Final = 16
SIZE: Final = (96, 128)
KEPT: Final = "60%"
AUDIT_NAME: Final = "audit.csv"

CURATE_TOML: Final = """\
# The settings of 'curate demo'; the three product lines work in this folder, too.
classes = {classes}

[[real]]
path = "real"

[[synthetic]]
path = "synthetic"

[fit]
size = [{height}, {width}]
steps = 60
evaluate_every = 20
seed = {seed}

[augment]
colour = 0.0                # the faults planted here are faults of colour and texture

[method]                    # far less than the defaults, which take their time
folds = 2
reference_steps = 60
plantings = 1
epochs = 6
enlarge = 2

[score]
region_px = 16
"""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo made and measured.

    Attributes
    ----------
    run, scores, subset : Path
        Run folder, score file and exported subset.
    audit : dict of str to float
        AUROC of the pixel, region and image scores against what was spoiled.
    audit_on_real : AuditResult
        How well the run finds every kind of fault in unseen real images.
    miou : dict of str to float
        mIoU in [0, 1] on unseen real images by kind of training.
    corrupted_share : float
        Share of the synthetic pixels that were spoiled.
    seconds : float
    """

    run: Path
    scores: Path
    subset: Path
    audit: dict[str, float]
    audit_on_real: AuditResult
    miou: dict[str, float]
    corrupted_share: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return {
            "run": str(self.run),
            "scores": str(self.scores),
            "subset": str(self.subset),
            "audit": self.audit,
            "audit_on_real": self.audit_on_real.to_json(),
            "miou": self.miou,
            "corrupted_share": self.corrupted_share,
            "seconds": self.seconds,
        }


def demo(out: Path, *, seed: int = 0, reporter: Reporter | None = None) -> DemoResult:
    """Draw a world into `out`, then fit, score, audit and export there, and compare with the truth.

    Raises
    ------
    UsageError
        If `out` exists and is not empty.
    """
    reporter = reporter or LogReporter()
    started = time.monotonic()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"{out} exists and is not empty. Name a new folder with --out."
        raise UsageError(msg)
    check_writable(out)
    reporter.start("draw", NUM_REAL + NUM_SYNTHETIC + NUM_TEST)
    world = draw_world(
        out,
        num_real=NUM_REAL,
        num_synthetic=NUM_SYNTHETIC,
        num_test=NUM_TEST,
        size=SIZE,
        seed=seed,
        on_drawn=reporter.advance,
    )
    reporter.finish()
    (out / CONFIG_NAME).write_text(
        CURATE_TOML.format(
            classes=json.dumps(list(CLASS_NAMES)), height=SIZE[0], width=SIZE[1], seed=seed
        ),
        encoding="utf-8",
    )
    config = load_config(out / CONFIG_NAME)
    run = fit(config, out=out / "runs" / "curated", reporter=reporter).run
    scores = score(
        world.synthetic, out / "weights.h5", config=config, run=run, reporter=reporter
    ).out
    found = audit(
        config=config,
        run=run,
        real=(world.test,),
        images=NUM_AUDITED,
        seed=seed,
        out=out / AUDIT_NAME,
        reporter=reporter,
    )
    subset = out / "subset"
    export_subset(scores, out=subset, by="pixel", top=KEPT, reporter=reporter)
    plain = config.model_copy(update={"method": {}}).with_fit(method="uniform")
    kept = plain.model_copy(update={"synthetic": (DatasetConfig(path=subset),)})
    everything_run = fit(plain, out=out / "runs" / "everything", reporter=reporter).run
    subset_run = fit(kept, out=out / "runs" / "subset", reporter=reporter).run
    arms = {"all synthetic": everything_run, "weighted": run, f"best {KEPT}": subset_run}
    areas, corrupted = compare_with_truth(ScoreFile(scores), world.truth)
    return DemoResult(
        run=run,
        scores=scores,
        subset=subset,
        audit=areas,
        audit_on_real=found,
        miou={name: round(evaluate(path, world.test).miou(), 4) for name, path in arms.items()},
        corrupted_share=round(corrupted, 4),
        seconds=round(time.monotonic() - started, 1),
    )


def compare_with_truth(scores: ScoreFile, truth: Path) -> tuple[dict[str, float], float]:
    """Compare stored scores with the known truth.

    Parameters
    ----------
    truth : Path
        Folder of ``<name>.png``, 255 where a pixel is untouched, 0 where it was spoiled.

    Returns
    -------
    areas : dict of str to float
        AUROC at ``pixel`` level (untouched against spoiled), ``region`` level (mostly untouched
        against mostly spoiled) and ``image`` level (wholly untouched against the rest).
    spoiled : float
        Share of spoiled pixels.
    """
    images = scores.images[scores.images["status"] == "ok"]
    pixel_scores, pixel_truth, region_truth, shares = [], [], [], []
    for row in images.itertuples():
        is_good = read_truth(truth, str(row.id))
        stored, regions = scores.pixel_scores(str(row.id)), scores.region_ids(str(row.id))
        pixel_scores.append(_spread(stored, is_good.shape).ravel())
        pixel_truth.append(is_good.ravel())
        region_truth.append(_share_per_region(_spread(regions, is_good.shape), is_good))
        shares.append(is_good.mean())
    pixel = auroc(np.concatenate(pixel_scores), np.concatenate(pixel_truth))
    region = auroc(scores.regions["score"], np.concatenate(region_truth) > 0.5)
    image = auroc(images["score"], np.array(shares) == 1)
    areas = {"pixel": pixel, "region": region, "image": image}
    corrupted = 1 - float(np.mean(shares))
    return {name: round(area, 4) for name, area in areas.items()}, corrupted


def read_truth(truth: Path, image_id: str) -> NDArray[np.bool_]:
    """Read where an image is untouched, (H, W) bool."""
    name = image_id.rpartition("/")[2]
    with Image.open(truth / f"{name}.png") as image:
        is_good: NDArray[np.bool_] = np.asarray(image) == 255
    return is_good


def _spread(cells: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Repeat the cells of a map over the pixels of an image."""
    stride = -(-shape[0] // cells.shape[0])
    return cells.repeat(stride, axis=0).repeat(stride, axis=1)[: shape[0], : shape[1]]


def _share_per_region(
    region_ids: NDArray[np.integer], is_good: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Share of untouched pixels of each region."""
    groups = region_ids.ravel()
    return np.bincount(groups, weights=is_good.ravel()) / np.bincount(groups)
