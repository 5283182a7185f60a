"""``curate init``."""

from pathlib import Path
from typing import Annotated, Any

import typer

import curate
from curate.cli import options, process, results


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
    image_pattern: options.ImagePattern = None,
    label_pattern: options.LabelPattern = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a curate.toml with every setting, its default, and what it means.

    Ends with a look at the data sets that it names, and what fit and score will cost.
    """
    with process.command_errors() as reporter:
        reading = options.parse_reading(None, None, image_pattern, label_pattern, None)
        path = curate.init(folder, real=real or (), synthetic=synthetic or (), reading=reading)
        found: dict[str, Any] = {"config": path, "real": [], "synthetic": [], "minutes": {}}
        lines = [f"Settings: {path}"]
        if real and all(each.is_dir() for each in (*real, *(synthetic or ()))):
            from curate.cli import findings  # here, so that --help need not wait for it

            try:
                result = curate.check(path, is_deep=False, reporter=reporter)
            except curate.ConfigError as error:
                lines += results.wrap(f"The data sets were not looked at: {error}")
                lines.append(results.next_command("check", why="when that is mended"))
            else:
                found |= findings.summarise(result)
                lines += ["", *findings.describe(result)]
        results.show(found, lines, as_json=as_json)
