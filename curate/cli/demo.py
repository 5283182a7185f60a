"""``curate demo``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import curate
from curate.cli import options, process, results

if TYPE_CHECKING:
    from curate.auditing.result import AuditResult
    from curate.demonstration.demo import DemoResult

NUM_SHOWN = 3
"""Corruptions that the table names as found best, and as found worst."""


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="A new folder to work in.")
    ] = Path("curate-demo"),
    seed: options.Seed = 0,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Draw a small pair of data sets, then fit, score, audit and export; takes two minutes.

    Parts of the drawn synthetic images are corrupted on purpose, and the table tells how well the
    scores find them, and how well they find other corruptions in unseen real images.
    """
    with process.command_errors() as reporter:
        process.keep_memory()
        result = curate.demo(out, seed=seed, resume=resume, overwrite=overwrite, reporter=reporter)
        results.show(result.to_json(), _table(result), as_json=as_json)


def _table(result: "DemoResult") -> list[str]:
    """Lay the measurements and the places of the files out in two columns."""
    found = result.audit_on_real
    names = ("run", "scores", "subset", "report", "sheet")
    files = [(name, str(getattr(result, name))) for name in names]
    sections = {
        f"{result.corrupted_share:.0%} of the synthetic pixels were corrupted. "
        "AUROC of finding them (.5 = chance)": [
            (level, results.measure(area)) for level, area in result.audit.items()
        ],
        f"{results.count(len(found.corruptions), 'corruption')} injected into "
        f"{results.count(found.images, 'unseen real image')} (AUROC, 95% intervals)": _audit(found),
        "mIoU on unseen real images after training on": [
            (name, f"{miou:.3f}") for name, miou in result.miou.items()
        ],
        f"Made in {results.duration(result.seconds)}": [*files, ("audit", str(found.out))],
    }
    width = max(len(name) for rows in sections.values() for name, _ in rows)
    lines = []
    for title, rows in sections.items():
        lines += [title, *(f"  {name:<{width}}  {value}" for name, value in rows)]
    return lines


def _audit(found: "AuditResult") -> list[tuple[str, str]]:
    """Say in a few rows what an audit found."""
    levels = [
        (level, results.measure(found.value("auroc", level), *found.interval("auroc", level)))
        for level in ("pixel", "region", "image")
    ]
    names = [
        f"{name} {results.measure(found.value('auroc', 'pixel', corruption=name))}"
        for name in found.best_first()
    ]
    lost = found.value("false_alarm", "pixel")
    return [
        *levels,
        ("best, by pixel", ", ".join(names[:NUM_SHOWN])),
        ("worst", ", ".join(names[: -NUM_SHOWN - 1 : -1])),
        ("false alarms", f"{lost:.0%} of the others, finding {found.found:.0%} of the corrupted"),
    ]
