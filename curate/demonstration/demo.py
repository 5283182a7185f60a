"""The whole way on a drawn world in which it is known which synthetic pixels are corrupted."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

import curate
from curate import metrics, reporting
from curate.config import CONFIG_NAME, DatasetConfig
from curate.demonstration import demo_folder
from curate.demonstration.truth_sheet import draw_truth_sheet
from curate.demonstration.world import CLASS_NAMES, WorldPaths, draw_world
from curate.selection.cuts import expand_cells
from curate.training.run_folder import RUNS_NAME

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
colour = 0.0                # what is corrupted here is mostly colour and texture

[method]                    # far less than the defaults, which take their time
folds = 2
reference_steps = 60
injections = 1
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
    run, scores, subset, report, sheet : Path
        Run folder, score file, exported subset, report, and the picture of scores beside the truth.
    audit : dict of str to float
        AUROC of the pixel, region and image scores of sound against corrupted ones.
    audit_on_real : AuditResult
        How well the run finds every corruption in unseen real images.
    miou : dict of str to float
        mIoU in [0, 1] on unseen real images, by what was trained on.
    corrupted_share : float
        Share of the synthetic pixels that are corrupted.
    seconds : float
    """

    run: Path
    scores: Path
    subset: Path
    report: Path
    sheet: Path
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
            "report": str(self.report),
            "sheet": str(self.sheet),
            "audit": self.audit,
            "audit_on_real": self.audit_on_real.to_json(),
            "miou": self.miou,
            "corrupted_share": self.corrupted_share,
            "seconds": self.seconds,
        }


def demo(
    out: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    reporter: reporting.Reporter | None = None,
) -> DemoResult:
    """Draw a world into `out`, fit, score, audit and export there, compare with the truth.

    Parameters
    ----------
    resume : bool
        Go on with an interrupted demo of the same seed.
    overwrite : bool
        Remove an earlier demo first.

    Raises
    ------
    UsageError
        If `out` is not empty, unless it is a demo that goes on or is replaced.
    """
    reporter = reporter or reporting.default_reporter()
    started = time.monotonic()
    classes = json.dumps(list(CLASS_NAMES))
    settings = CURATE_TOML.format(classes=classes, height=SIZE[0], width=SIZE[1], seed=seed)
    demo_folder.prepare(out, settings, resume=resume, overwrite=overwrite)
    world = _draw(out, seed, reporter)
    config = curate.load_config(out / CONFIG_NAME)
    train = partial(curate.fit, resume=True, reporter=reporter)  # what is not there yet, begins
    run = train(config, out=out / RUNS_NAME / "curated").run
    scores = curate.score(
        world.synthetic,
        out / demo_folder.SCORES_NAME,
        config=config,
        run=run,
        resume=True,
        reporter=reporter,
    ).out
    found = curate.audit(
        config=config,
        run=run,
        real=(world.test,),
        images=NUM_AUDITED,
        seed=seed,
        out=out / demo_folder.AUDIT_NAME,
        resume=True,
        overwrite=True,
        reporter=reporter,
    )
    subset = out / demo_folder.SUBSET_NAME
    if not subset.exists():  # it is there whole or not at all
        curate.export_subset(scores, out=subset, by="pixel", top=KEPT, reporter=reporter)
    plain = config.model_copy(update={"method": {}}).with_fit(method="uniform")
    kept = plain.model_copy(update={"synthetic": (DatasetConfig(path=subset),)})
    arms = {
        "all synthetic": train(plain, out=out / RUNS_NAME / "everything").run,
        "weighted": run,
        f"best {KEPT}": train(kept, out=out / RUNS_NAME / "subset").run,
    }
    opened = curate.ScoreFile(scores)
    areas, corrupted = compare_with_truth(opened, world.truth)
    draw_truth_sheet(scores, world.truth, out / demo_folder.SHEET_NAME)
    page = curate.report(
        [scores], out=out / demo_folder.REPORT_NAME, project=out, overwrite=True, reporter=reporter
    ).out
    return DemoResult(
        run=run,
        scores=scores,
        subset=subset,
        report=page,
        sheet=out / demo_folder.SHEET_NAME,
        audit=areas,
        audit_on_real=found,
        miou={
            name: round(curate.evaluate(path, world.test).miou(), 4) for name, path in arms.items()
        },
        corrupted_share=round(corrupted, 4),
        seconds=round(time.monotonic() - started, 1),
    )


def _draw(out: Path, seed: int, reporter: reporting.Reporter) -> WorldPaths:
    """Draw the world, unless an earlier call has already begun to train on it."""
    if (out / RUNS_NAME).exists():
        return WorldPaths.inside(out)
    numbers = {"num_real": NUM_REAL, "num_synthetic": NUM_SYNTHETIC, "num_test": NUM_TEST}
    reporter.start("draw", sum(numbers.values()))
    world = draw_world(out, **numbers, size=SIZE, seed=seed, on_drawn=reporter.advance)
    reporter.finish()
    return world


def compare_with_truth(scores: curate.ScoreFile, truth: Path) -> tuple[dict[str, float], float]:
    """Compare stored scores with the known truth.

    Parameters
    ----------
    truth : Path
        Folder of ``<name>.png``, 255 where a pixel is sound, 0 where it is corrupted.

    Returns
    -------
    areas : dict of str to float
        AUROC at ``pixel`` level (sound against corrupted), ``region`` level (mostly sound against
        mostly corrupted) and ``image`` level (wholly sound against the rest).
    corrupted : float
        Share of corrupted pixels.
    """
    stride = int(scores.provenance["stride"])
    images = scores.images[scores.images["status"] == "ok"]
    pixel_scores, pixel_truth, region_truth, shares = [], [], [], []
    for image_id in images["id"]:
        is_sound = read_truth(truth, image_id)
        height, width = is_sound.shape
        shown, regions = (
            expand_cells(cells, height, width, stride).ravel()
            for cells in (scores.pixel_scores(image_id), scores.region_ids(image_id))
        )
        pixel_scores.append(shown)
        pixel_truth.append(is_sound.ravel())
        sound_px = np.bincount(regions, weights=is_sound.ravel())
        region_truth.append(sound_px > 0.5 * np.bincount(regions))
        shares.append(is_sound.mean())
    areas = {
        "pixel": metrics.auroc(np.concatenate(pixel_scores), np.concatenate(pixel_truth)),
        "region": metrics.auroc(scores.regions["score"], np.concatenate(region_truth)),
        "image": metrics.auroc(images["score"], np.array(shares) == 1),
    }
    return {name: round(area, 4) for name, area in areas.items()}, 1 - float(np.mean(shares))


def read_truth(truth: Path, image_id: str) -> NDArray[np.bool_]:
    """Read where an image is sound, (H, W) bool."""
    with Image.open(truth / f"{image_id.rpartition('/')[2]}.png") as image:
        is_sound: NDArray[np.bool_] = np.asarray(image) == 255
    return is_sound
