"""``curate init``."""

from pathlib import Path
from typing import Annotated

import typer

from curate.cli import options, results
from curate.cli.process import command_errors


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where to write curate.toml.")
    ] = Path(),
    real: Annotated[
        list[Path] | None,
        typer.Option("--real", metavar="DIR", help="Real images; may be repeated."),
    ] = None,
    synthetic: Annotated[
        list[Path] | None,
        typer.Option("--synthetic", metavar="DIR", help="Synthetic images; may be repeated."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a curate.toml with every setting, its default, and what it means."""
    with command_errors():
        from curate.template import init as run_init

        path = run_init(folder, real=real or (), synthetic=synthetic or ())
        results.show({"config": path}, [f"Settings: {path}"], as_json=as_json)
