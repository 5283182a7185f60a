"""``curate audit``."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import curate
from curate.cli import completion, options, process, results

if TYPE_CHECKING:
    from curate.auditing.result import AuditResult

LEVELS = ("pixel", "region", "image")


def audit(
    run: options.Run = None,
    trust_run: options.TrustRun = False,
    config_file: options.ConfigFile = None,
    real: Annotated[
        list[Path] | None,
        typer.Option(
            "--real",
            metavar="DIR",
            help="Real images to corrupt; may be repeated; by default those that the run held out.",
        ),
    ] = None,
    layout: options.Layout = None,
    id_map: options.IdMap = None,
    image_pattern: options.ImagePattern = None,
    label_pattern: options.LabelPattern = None,
    split: options.Split = None,
    corruptions: Annotated[
        str | None,
        typer.Option(
            "--corruptions",
            metavar="LIST",
            help="What to inject: style,blur,..; by default all.",
            autocompletion=completion.complete_corruptions,
        ),
    ] = None,
    images: Annotated[
        int,
        typer.Option("--images", metavar="N", min=1, help="At most so many images, evenly spaced."),
    ] = 48,
    seed: options.Seed = 0,
    device: options.DeviceChoice = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="File for the whole table: .csv or .parquet."),
    ] = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Inject known corruptions into held-out real images and tell how well a run finds them.

    What the scores cannot find here, they cannot find in synthetic images either.
    """
    with process.command_errors() as reporter:
        process.keep_memory()
        from curate.corruptions import CORRUPTIONS

        result = curate.audit(
            config=curate.load_config(config_file),
            run=run,
            trust_run=trust_run,
            real=tuple(real or ()),
            reading=options.parse_reading(layout, id_map, image_pattern, label_pattern, split),
            corruptions=tuple(CORRUPTIONS)
            if corruptions is None
            else options.parse_list(corruptions),
            images=images,
            seed=seed,
            device=device or "auto",
            out=out,
            resume=resume,
            overwrite=overwrite,
            reporter=reporter,
        )
        results.show(result.to_json(), _lines(result), as_json=as_json)


def _lines(result: "AuditResult") -> list[str]:
    """Lay the table out, then say what it means."""
    heads = ("", *LEVELS, *(["best stream"] if result.streams else []))
    table = [heads, *(_row(result, name) for name in (*result.corruptions, "all"))]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        *results.wrap(
            f"How well {result.run} finds what was injected into "
            f"{results.count(result.images, 'real image')}"
        ),
        "(AUROC of the score, .5 = chance, with 95% intervals over images)",
        *("  ".join(map(str.ljust, row, widths)).rstrip() for row in table),
        *(part for line in _findings(result) for part in results.wrap(line)),
    ]
    if result.out:
        lines.append(f"Table: {result.out}")
    lines.append(f"Done in {results.duration(result.seconds)}")
    return [*lines, results.next_command("report", why="tells it beside the scores")]


def _row(result: "AuditResult", name: str) -> tuple[str, ...]:
    """Tell how well a corruption is found at each level, and which stream finds it best."""
    areas = (
        (
            result.value("auroc", level, corruption=name),
            *result.interval("auroc", level, corruption=name),
        )
        for level in LEVELS
    )
    row = (name, *(results.measure(*area) for area in areas))
    if not result.streams:
        return row
    best = result.best_stream(name)
    area = result.value("auroc", "pixel", corruption=name, score=best) if best else math.nan
    return (*row, f"{best} {results.measure(area)}" if best else "-")


def _findings(result: "AuditResult") -> list[str]:
    """Say what the run finds, what it does not, and at what price."""
    lines = []
    missed = result.missed()
    inverted = result.inverted()
    blind = [
        name
        for name, strengths in missed.items()
        if len(strengths) == len(result.strengths) and name not in inverted
    ]
    partly = [
        f"{name} (not when {' or '.join(strengths)})"
        for name, strengths in missed.items()
        if name not in (*blind, *inverted)
    ]
    if blind:
        lines.append(f"Not found, pixels near chance: {', '.join(blind)}")
    if inverted:
        lines.append(f"The wrong way round, taken for more real: {', '.join(inverted)}")
    if partly:
        lines.append(f"Found in part: {', '.join(partly)}")
    if missing := result.not_injected():
        lines.append(f"Could be injected into none of the images: {', '.join(missing)}")
    rate = result.value("false_alarm", "pixel")
    if not math.isnan(rate):
        lines.append(
            f"A threshold that finds {result.found:.0%} of the corrupted pixels "
            f"loses {rate:.0%} of the others"
        )
    return lines
