"""``curate merge``."""

from pathlib import Path
from typing import Annotated

import typer

from curate.cli import options, results
from curate.cli.process import command_errors


def merge(
    scores: Annotated[
        list[Path], typer.Argument(metavar="SCORES...", help="Score files of the parts.")
    ],
    out: options.ScoresOut,
    config_file: options.ConfigFile = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Join score files that 'curate score --shard I/N' wrote."""
    with command_errors() as reporter:
        from curate.config import load_config
        from curate.scores.merge import merge as run_merge

        root = load_config(config_file).root
        result = run_merge(scores, out, root=root, overwrite=overwrite, reporter=reporter)
        lines = [
            f"Scores: {result.out}",
            f"{results.count(result.scored, 'image')} of {results.count(result.files, 'file')}, "
            f"{result.failed:,} failed, {results.count(result.regions, 'region')} in "
            f"{results.duration(result.seconds)}",
        ]
        results.show(result.to_json(), lines, as_json=as_json)
