"""``curate show``."""

from pathlib import Path
from typing import Annotated

import typer

import curate
from curate.cli import options, process, results


def show(
    scores: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="SCORES",
            help="Score files of one run, with maps; by default the newest.",
            show_default=False,
        ),
    ] = None,
    *,
    image_id: Annotated[
        str, typer.Argument(metavar="ID", help="Of the image, as the score file calls it.")
    ],
    config_file: options.ConfigFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="A new .png, .jpg or .webp; by default ID's last part, as .png.",
        ),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", metavar="DIR", help="Where the data set is, if it was moved."),
    ] = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Draw one image, its labels and its scores side by side."""
    with process.command_errors() as reporter:
        from curate.scores.guard import choose_scores

        result = curate.show(
            choose_scores(scores or (), curate.load_config(config_file).root),
            image_id,
            out=out,
            dataset=dataset,
            overwrite=overwrite,
            reporter=reporter,
        )
        next_command = results.next_command("report", why="shows all images")
        results.show(result.to_json(), [f"Picture: {result.out}", next_command], as_json=as_json)
