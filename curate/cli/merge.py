"""``curate merge``."""

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.command_errors import command_errors
from curate.cli.options import AsJson, ConfigFile, Overwrite
from curate.cli.results import count, duration, show


def merge(
    scores: Annotated[
        list[Path], typer.Argument(metavar="SCORES...", help="Score files of the parts.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE", help="weights.h5, weights.parquet (tables only) or a folder."
        ),
    ],
    config_file: ConfigFile = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Put score files together that 'curate score --shard I/N' wrote."""
    with command_errors() as reporter:
        from curate.config import load_config
        from curate.scores.merge_command import merge as run_merge

        root = load_config(config_file).root
        result = run_merge(scores, out, root=root, overwrite=overwrite, reporter=reporter)
        lines = [
            f"Scores: {result.out}",
            f"{count(result.scored, 'image')} of {count(result.files, 'file')}, "
            f"{result.failed:,} failed, {count(result.regions, 'region')} in "
            f"{duration(result.seconds)}",
        ]
        show(result.to_json(), lines, as_json=as_json)
