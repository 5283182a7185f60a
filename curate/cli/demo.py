"""``curate demo``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.memory import keep_memory
from curate.cli.options import AsJson
from curate.cli.results import duration, show
from curate.cli.seam import seam

if TYPE_CHECKING:
    from curate.workflows.demo import DemoResult


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="A new folder to work in.")
    ] = Path("curate-demo"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Start of all random numbers.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw a small pair of data sets, then fit, score and export on it; takes two minutes.

    Parts of the drawn synthetic images are spoiled on purpose, and the table tells how well the
    scores find them.
    """
    with seam() as reporter:
        keep_memory()
        from curate.workflows.demo import demo as run_demo

        result = run_demo(out, seed=seed, reporter=reporter)
        show(result.to_json(), _table(result), as_json=as_json)


def _table(result: "DemoResult") -> list[str]:
    """Lay the measurements and the places of the files out in two columns."""
    audit = [(level, f"{area:.3f}") for level, area in result.audit.items()]
    trained = [(kind, f"{miou:.3f}") for kind, miou in result.miou.items()]
    files = [(name, str(getattr(result, name))) for name in ("run", "scores", "subset")]
    sections = {
        f"{result.spoiled_share:.0%} of the synthetic pixels were spoiled. "
        "How well scores find them (AUROC, 0.5 = chance)": audit,
        "mIoU on unseen real images after training on": trained,
        f"Made in {duration(result.seconds)}": files,
    }
    width = max(len(name) for rows in sections.values() for name, _ in rows)
    lines = []
    for title, rows in sections.items():
        lines += [title, *(f"  {name:<{width}}  {value}" for name, value in rows)]
    return lines
