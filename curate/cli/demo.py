"""``curate demo``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.command_errors import command_errors
from curate.cli.memory import keep_memory
from curate.cli.options import AsJson
from curate.cli.results import count, duration, show, with_interval

if TYPE_CHECKING:
    from curate.auditing.result import AuditResult
    from curate.demo.demo import DemoResult

_SHOWN = 3
"""Kinds of fault that the table names as found best, and as found worst."""


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="A new folder to work in.")
    ] = Path("curate-demo"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Start of all random numbers.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw a small pair of data sets, then fit, score, audit and export; takes two minutes.

    Parts of the drawn synthetic images are spoiled on purpose, and the table tells how well the
    scores find them, and how well they find other faults in unseen real images.
    """
    with command_errors() as reporter:
        keep_memory()
        from curate.demo.demo import demo as run_demo

        result = run_demo(out, seed=seed, reporter=reporter)
        show(result.to_json(), _table(result), as_json=as_json)


def _table(result: "DemoResult") -> list[str]:
    """Lay the measurements and the places of the files out in two columns."""
    audit = [(level, f"{area:.3f}") for level, area in result.audit.items()]
    trained = [(kind, f"{miou:.3f}") for kind, miou in result.miou.items()]
    files = [(name, str(getattr(result, name))) for name in ("run", "scores", "subset")]
    found = result.audit_on_real
    sections = {
        f"{result.corrupted_share:.0%} of the synthetic pixels were spoiled. "
        "How well scores find them (AUROC, 0.5 = chance)": audit,
        f"{count(len(found.kinds), 'kind')} of fault planted in "
        f"{count(found.images, 'unseen real image')} (AUROC, 95% intervals)": _audited(found),
        "mIoU on unseen real images after training on": trained,
        f"Made in {duration(result.seconds)}": [*files, ("audit", str(found.out))],
    }
    width = max(len(name) for rows in sections.values() for name, _ in rows)
    lines = []
    for title, rows in sections.items():
        lines += [title, *(f"  {name:<{width}}  {value}" for name, value in rows)]
    return lines


def _audited(found: "AuditResult") -> list[tuple[str, str]]:
    """Say in a few rows what an audit found."""
    rows = [
        (level, with_interval(found.value("auroc", level), *found.interval("auroc", level)))
        for level in ("pixel", "region", "image")
    ]
    kinds = [
        f"{kind} {found.value('auroc', 'pixel', kind=kind):.2f}" for kind in found.best_first()
    ]
    lost = found.value("false_alarm", "pixel")
    return [
        *rows,
        ("best, by pixel", ", ".join(kinds[:_SHOWN])),
        ("worst", ", ".join(kinds[: -_SHOWN - 1 : -1])),
        (
            "false alarms",
            f"finding {found.found:.0%} of the spoiled pixels loses {lost:.0%} of the untouched",
        ),
    ]
