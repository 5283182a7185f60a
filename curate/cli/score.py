"""``curate score``."""

from pathlib import Path
from typing import Annotated

import typer

import curate
from curate.cli import options, process, results


def score(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of the data set.")],
    out: options.ScoresOut,
    run: options.Run = None,
    trust_run: options.TrustRun = False,
    config_file: options.ConfigFile = None,
    layout: options.Layout = None,
    id_map: options.IdMap = None,
    image_pattern: options.ImagePattern = None,
    label_pattern: options.LabelPattern = None,
    split: options.Split = None,
    levels: Annotated[
        str, typer.Option("--levels", metavar="LIST", help="Levels to keep in the file.")
    ] = "image,region,pixel",
    stride: Annotated[
        int | None, typer.Option("--stride", min=1, max=64, help="Pixels per cell of the maps.")
    ] = None,
    regions: Annotated[
        options.Regions | None, typer.Option("--regions", help="What a region of an image is.")
    ] = None,
    compression: Annotated[
        options.Compression | None,
        typer.Option("--compression", help="Of the maps; all programs read deflate."),
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
    workers: options.Workers = None,
    device: options.DeviceChoice = None,
    fix_list: options.FixList = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Score every image of a data set, its regions and its pixels."""
    with process.command_errors() as reporter:
        process.keep_memory()
        config = curate.load_config(config_file).with_score(
            stride=stride, regions=regions, compression=compression, stream_maps=stream_maps
        )
        result = curate.score(
            dataset,
            out,
            config=config,
            run=run,
            trust_run=trust_run,
            reading=options.parse_reading(layout, id_map, image_pattern, label_pattern, split),
            levels=options.parse_list(levels),
            shard=shard,
            workers=workers,
            device=device or "auto",
            resume=resume,
            overwrite=overwrite,
            fix_list=fix_list,
            reporter=reporter,
        )
        lines = [
            f"Scores: {result.out}",
            f"{results.count(result.scored, 'image')} scored, {result.skipped:,} done before, "
            f"{result.failed:,} failed, {results.count(result.regions, 'region')} in "
            f"{results.duration(result.seconds)} ({result.images_per_second:.3g} images/s)",
        ]
        results.show(result.to_json(), lines, as_json=as_json)
