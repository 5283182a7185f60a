"""``curate merge``."""

from pathlib import Path
from typing import Annotated

import typer

import curate
from curate.cli import options, process, results


def merge(
    scores: Annotated[
        list[Path],
        typer.Argument(metavar="PART... or FOLDER", help="Score files of the parts, or F.parts."),
    ],
    out: options.ScoresOut,
    config_file: options.ConfigFile = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Take what is there, though parts are missing.")
    ] = False,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Join score files that 'curate score --shard' wrote; name what is missing or damaged."""
    with process.command_errors() as reporter:
        root = curate.load_config(config_file).root
        result = curate.merge(
            scores,
            out,
            root=root,
            overwrite=overwrite,
            resume=resume,
            partial=partial,
            reporter=reporter,
        )
        lines = [
            f"Scores: {result.out}",
            f"{results.count(result.scored, 'image')} of {results.count(result.parts, 'part')}, "
            f"{result.failed:,} failed, {results.count(result.regions, 'region')} in "
            f"{results.duration(result.seconds)}",
            results.next_command("export-subset", "--top", "30%"),
        ]
        results.show(result.to_json(), lines, as_json=as_json)
