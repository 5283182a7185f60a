"""What the scores of several methods find in real images: CamVid as real, CARLA as synthetic.

    python -m tests.benchmarks.audit_real DATA --out WORK [--steps 120] [--seed 0]

DATA holds `camvid/train`, `camvid/val` and `carla`, each with `images/` and `labels/`. 60 evenly
spaced images of CamVid train are the real set; corruptions are injected into images of CamVid val.
Finished runs and tables are kept in WORK, so that an interrupted benchmark goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from curate.auditing.audit import audit
from curate.config import Config, DatasetConfig, FitConfig
from curate.training.fit import fit
from tests.benchmarks.real_data import link_real

if TYPE_CHECKING:
    from curate.auditing.result import AuditResult

ARMS = {
    "predictions (the paper's)": ("hierarchical", {}),
    "all inputs": (
        "hierarchical",
        {"inputs": ["predictions", "label", "stride2", "stride4", "stride8"]},
    ),
    "streams": ("streams", {}),
}


def audit_arm(method: str, settings: dict, run: Path, options: argparse.Namespace) -> AuditResult:
    """Train one arm, unless it is finished, and audit it."""
    data = options.data.resolve()
    config = Config(
        root=options.out.resolve(),
        classes="camvid11",
        real=(DatasetConfig(path=link_real(data, options.out.resolve()), id_map="camvid11"),),
        synthetic=(DatasetConfig(path=data / "carla", id_map="carla-legacy"),),
        method=settings,
        fit=FitConfig(
            method=method,
            size=(120, 160),
            steps=options.steps,
            seed=options.seed,
            evaluate_every=30,
            device=options.device,
        ),
    )
    fit(config, out=run, resume=run.exists())
    return audit(
        config=config,
        run=run,
        real=[data / "camvid/val"],
        id_map="camvid11",
        images=options.images,
        seed=options.seed,
        device=options.device,
        out=run.with_suffix(".csv"),
        overwrite=True,
    )


def main() -> None:
    """Print a table of AUROCs for each arm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    for number, (arm, (method, settings)) in enumerate(ARMS.items()):
        run = options.out.resolve() / f"audit{number}-seed{options.seed}"
        result = audit_arm(method, settings, run, options)
        print(f"\n{arm}: {result.images} images, {result.seconds:.0f} s for the audit")
        print(
            "| corruption | pixel | region | image | pixel, mild | pixel, strong | false alarms |"
        )
        print("|---|---|---|---|---|---|---|")
        for name in (*result.corruptions, "all"):
            cells = []
            for level in ("pixel", "region", "image"):
                low, high = result.interval("auroc", level, corruption=name)
                area = result.value("auroc", level, corruption=name)
                cells.append(f"{area:.3f} [{low:.2f}, {high:.2f}]")
            for strength in result.strengths:
                area = result.value("auroc", "pixel", corruption=name, strength=strength)
                cells.append(f"{area:.3f}")
            cells.append(f"{result.value('false_alarm', 'pixel', corruption=name):.2f}")
            print(f"| {name} | {' | '.join(cells)} |")
        for network in ("image_score", "region_score", "pixel_score"):
            areas = {
                name: round(result.value("auroc", "pixel", corruption=name, score=network), 3)
                for name in (*result.corruptions, "all")
            }
            print(f"pixel AUROC of {network} by itself: {areas}")
        print(f"missed: {result.missed()}", flush=True)


if __name__ == "__main__":
    main()
