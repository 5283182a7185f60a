"""``curate score``."""

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.command_errors import command_errors
from curate.cli.memory import keep_memory
from curate.cli.options import (
    AsJson,
    Compression,
    ConfigFile,
    DeviceChoice,
    Overwrite,
    Regions,
    Resume,
    Workers,
    parse_list,
)
from curate.cli.results import count, duration, show


def score(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of the data set.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE", help="weights.h5, weights.parquet (tables only) or a folder."
        ),
    ],
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="RUN", help="Folder of a run; the newest finished one."),
    ] = None,
    config_file: ConfigFile = None,
    layout: Annotated[
        str | None,
        typer.Option("--layout", metavar="NAME", help="How the folder is laid out; recognised."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels", metavar="NAME|FILE", help="Map of its label ids; the one of the layout."
        ),
    ] = None,
    levels: Annotated[
        str, typer.Option("--levels", metavar="LIST", help="Levels to keep in the file.")
    ] = "image,region,pixel",
    stride: Annotated[
        int | None, typer.Option("--stride", min=1, max=64, help="Pixels per cell of the maps.")
    ] = None,
    regions: Annotated[
        Regions | None, typer.Option("--regions", help="What a region of an image is.")
    ] = None,
    compression: Annotated[
        Compression | None,
        typer.Option("--compression", help="Of the maps; deflate can be read everywhere."),
    ] = None,
    stream_maps: Annotated[
        bool | None,
        typer.Option(
            "--stream-maps/--no-stream-maps",
            help="Keep a map of each stream, too: why a pixel scored low.",
        ),
    ] = None,
    shard: Annotated[
        str,
        typer.Option("--shard", metavar="I/N", help="Score part I of N, for 'curate merge'."),
    ] = "1/1",
    workers: Workers = None,
    device: DeviceChoice = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Score every image of a data set, its regions and its pixels."""
    with command_errors() as reporter:
        keep_memory()
        from curate.config import load_config
        from curate.scoring.score import score as run_score

        result = run_score(
            dataset,
            out,
            config=load_config(config_file),
            run=run,
            layout=layout,
            labels=labels,
            levels=parse_list(levels),
            stride=stride,
            regions=regions,
            compression=compression,
            stream_maps=stream_maps,
            shard=shard,
            workers=workers,
            device=device or "auto",
            resume=resume,
            overwrite=overwrite,
            reporter=reporter,
        )
        lines = [
            f"Scores: {result.out}",
            f"{count(result.scored, 'image')} scored, {result.skipped:,} done before, "
            f"{result.failed:,} failed, {count(result.regions, 'region')} in "
            f"{duration(result.seconds)} ({result.images_per_second:.3g} images/s)",
        ]
        show(result.to_json(), lines, as_json=as_json)
