"""``curate score``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import curate
from curate.cli import cluster_options, options, process, results

if TYPE_CHECKING:
    from curate.scoring.work import ScoreResult


_KEPT = "What is kept"


def score(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATASET]",
            help="Folder of the data set, or a pattern of shards; by default all synthetic ones of "
            f"curate.toml, a file each: weights.NAME.h5.{options.OR_URL}",
        ),
    ] = None,
    *,
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
        str,
        typer.Option(
            "--levels", metavar="LIST", help="Levels to keep in the file.", rich_help_panel=_KEPT
        ),
    ] = "image,region,pixel",
    stride: Annotated[
        int | None,
        typer.Option(
            "--stride",
            metavar="N",
            min=1,
            max=64,
            help="Pixels per cell of the maps.",
            rich_help_panel=_KEPT,
        ),
    ] = None,
    regions: Annotated[
        options.Regions | None,
        typer.Option("--regions", help="What a region of an image is.", rich_help_panel=_KEPT),
    ] = None,
    compression: Annotated[
        options.Compression | None,
        typer.Option(
            "--compression",
            help="Of the maps; all programs read deflate, zstd needs the extra hdf5plugin.",
            rich_help_panel=_KEPT,
        ),
    ] = None,
    stream_maps: Annotated[
        bool | None,
        typer.Option(
            "--stream-maps/--no-stream-maps",
            help="Keep a map of each stream, too: why a pixel scored low.",
            rich_help_panel=_KEPT,
        ),
    ] = None,
    shard: Annotated[
        str,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Score part I of N, for 'curate merge'; auto/N: this task's of a job array.",
        ),
    ] = "1/1",
    ray: cluster_options.Ray = False,
    ray_address: cluster_options.RayAddress = None,
    ray_cpus: cluster_options.RayCpus = 1,
    ray_gpus: cluster_options.RayGpus = 0,
    part_images: cluster_options.PartImages = 500,
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
        reading = options.parse_reading(layout, id_map, image_pattern, label_pattern, split)
        chosen: dict[str, Any] = {
            "config": config,
            "run": run,
            "trust_run": trust_run,
            "levels": options.parse_list(levels),
            "shard": shard,
            "workers": workers,
            "device": device or "auto",
            "resume": resume,
            "overwrite": overwrite,
            "fix_list": fix_list,
            "command": ("curate", *sys.argv[1:]),
            "ray": cluster_options.parse_ray(ray, ray_address, ray_cpus, ray_gpus),
            "part_images": part_images,
            "reporter": reporter,
        }
        if dataset is not None:
            found = [curate.score(dataset, out, reading=reading, **chosen)]
            whole = found[0]
        else:
            options.refuse_reading(reading)
            from curate.scoring.every_set import add_up

            found = curate.score_all(out, **chosen)
            whole = add_up(found, out)
        sets = {"sets": [each.to_json() for each in found]}
        results.show(whole.to_json() | sets, _lines(found, shard), as_json=as_json)


def _lines(found: "list[ScoreResult]", shard: str) -> list[str]:
    """Say what was scored, where that is, and what comes next."""
    lines = []
    for each in found:
        rate = f"{each.images_per_second:.3g} images/s"
        lines += [
            f"Scores: {each.out}",
            f"{results.count(each.scored, 'image')} scored, {each.skipped:,} done before, "
            f"{each.failed:,} failed, {results.count(each.regions, 'region')} in "
            f"{results.duration(each.seconds)} ({rate})",
        ]
    if shard == "1/1":
        return [*lines, results.next_command("export-subset", "--top", "30%")]
    folders = [each.out.parent for each in found if each.out.parent.suffix == ".parts"]
    lines += [
        f"Next, once all parts are there: curate merge {folder} --out {folder.with_suffix('')}"
        for folder in folders
    ]
    if folders:
        return lines
    return [*lines, "Next, once all parts are there: curate merge PART.. --out weights.h5"]
