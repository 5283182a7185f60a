"""``curate audit``."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.command_errors import command_errors
from curate.cli.memory import keep_memory
from curate.cli.options import AsJson, ConfigFile, DeviceChoice, Overwrite, parse_list
from curate.cli.results import count, duration, show, with_interval

if TYPE_CHECKING:
    from curate.auditing.result import AuditResult

_LEVELS = ("pixel", "region", "image")


def audit(
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="RUN", help="Folder of a run; the newest finished one."),
    ] = None,
    config_file: ConfigFile = None,
    real: Annotated[
        list[Path] | None,
        typer.Option(
            "--real",
            metavar="DIR",
            help="Real images to spoil; may be repeated; the run's own held-out ones.",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option("--layout", metavar="NAME", help="How these folders are laid out."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="NAME|FILE", help="Map of their label ids."),
    ] = None,
    kinds: Annotated[
        str | None,
        typer.Option("--kinds", metavar="LIST", help="Faults to plant: style,blur,..; all."),
    ] = None,
    images: Annotated[
        int, typer.Option("--images", min=1, help="At most so many images, evenly spaced.")
    ] = 48,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Start of all random numbers.")] = 0,
    device: DeviceChoice = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Whole table, as .csv or .parquet."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Plant known faults in held-out real images and tell how well a run's scores find them.

    What the scores cannot find here, they cannot find in synthetic images either.
    """
    with command_errors() as reporter:
        keep_memory()
        from curate.auditing.audit import audit as run_audit
        from curate.config import load_config
        from curate.corruptions import CORRUPTIONS

        result = run_audit(
            config=load_config(config_file),
            run=run,
            real=tuple(real or ()),
            layout=layout,
            labels=labels,
            kinds=tuple(CORRUPTIONS) if kinds is None else parse_list(kinds),
            images=images,
            seed=seed,
            device=device or "auto",
            out=out,
            overwrite=overwrite,
            reporter=reporter,
        )
        show(result.to_json(), _lines(result), as_json=as_json)


def _lines(result: "AuditResult") -> list[str]:
    """Lay the table out, then say what it means."""
    width = max(len("all"), *(len(kind) for kind in result.kinds))
    lines = [
        f"How well {result.run} finds what was planted in {count(result.images, 'real image')}",
        "(AUROC of the score, 0.5 = chance, with 95% intervals over images)",
        "  " + "  ".join([" " * width, *(f"{name:<18}" for name in _columns(result))]).rstrip(),
    ]
    for kind in (*result.kinds, "all"):
        cells = [
            with_interval(
                result.value("auroc", level, kind=kind), *result.interval("auroc", level, kind=kind)
            ).ljust(18)
            for level in _LEVELS
        ]
        cells += [_best_stream(result, kind)] if result.streams else []
        lines.append("  " + "  ".join([f"{kind:<{width}}", *cells]).rstrip())
    lines += _verdict(result)
    if result.out:
        lines.append(f"Table: {result.out}")
    return [*lines, f"Done in {duration(result.seconds)}"]


def _columns(result: "AuditResult") -> tuple[str, ...]:
    """Head the columns; only runs with streams tell which of them sees a kind best."""
    return (*_LEVELS, "best stream") if result.streams else _LEVELS


def _best_stream(result: "AuditResult", kind: str) -> str:
    """Name the stream that sees a kind best, and how well; a dash where none does."""
    name = result.best_stream(kind)
    return f"{name} {result.value('auroc', 'pixel', kind=kind, score=name):.3f}" if name else "-"


def _verdict(result: "AuditResult") -> list[str]:
    """Say what the run finds, what it does not, and at what price."""
    lines = []
    unseen = result.unseen()
    inverted = result.inverted()
    blind = [
        kind
        for kind, missed in unseen.items()
        if len(missed) == len(result.strengths) and kind not in inverted
    ]
    partly = [
        f"{kind} (not when {' or '.join(missed)})"
        for kind, missed in unseen.items()
        if kind not in (*blind, *inverted)
    ]
    if blind:
        lines.append(f"Not seen, pixels near chance: {', '.join(blind)}")
    if inverted:
        lines.append(f"The wrong way round, taken for more real: {', '.join(inverted)}")
    if partly:
        lines.append(f"Seen in part: {', '.join(partly)}")
    if missing := result.not_injected():
        lines.append(f"Could be planted in none of the images: {', '.join(missing)}")
    rate = result.value("false_alarm", "pixel")
    if not math.isnan(rate):
        lines.append(
            f"A threshold that finds {result.found:.0%} of the spoiled pixels "
            f"loses {rate:.0%} of the untouched ones"
        )
    return lines
