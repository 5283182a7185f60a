"""``curate show``."""

from pathlib import Path
from typing import Annotated

import typer

import curate
from curate.cli import options, process, results


def show(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="A score file with maps.")],
    image_id: Annotated[
        str, typer.Argument(metavar="ID", help="Of the image, as the score file calls it.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="A new .png, .jpg or .webp.")
    ],
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", metavar="DIR", help="Where the data set is, if it was moved."),
    ] = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Draw one image, its labels and its scores side by side."""
    with process.command_errors():
        result = curate.show(scores, image_id, out=out, dataset=dataset, overwrite=overwrite)
        results.show(result.to_json(), [f"Picture: {result.out}"], as_json=as_json)
