"""``curate check``."""

from pathlib import Path
from typing import Annotated

import typer

import curate
from curate.cli import cluster_options, options, process, results


def check(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET|FILE", help=f"Folder of a data set, or a curate.toml.{options.OR_URL}"
        ),
    ] = Path("curate.toml"),
    config_file: options.ConfigFile = None,
    layout: options.Layout = None,
    id_map: options.IdMap = None,
    image_pattern: options.ImagePattern = None,
    label_pattern: options.LabelPattern = None,
    split: options.Split = None,
    fix_list: Annotated[
        Path | None,
        typer.Option(
            "--fix-list", metavar="FILE", help="Write what to leave out, for fit and score."
        ),
    ] = None,
    ray: cluster_options.Ray = False,
    ray_address: cluster_options.RayAddress = None,
    ray_cpus: cluster_options.RayCpus = 1,
    resume: options.AlwaysResumed = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Look at whole data sets, and say what is wrong with them.

    Exits with 1 if any problem is an error. What was seen is kept in .curate/ beside curate.toml,
    so that a second look, fit and score need not read it again.
    """
    del resume  # what was seen is never looked at again
    with process.command_errors() as reporter:
        from curate.cli import findings  # here, so that --help need not wait for it

        is_file = target.suffix == ".toml" and not target.is_dir()
        result = curate.check(
            target,
            config=None if is_file else curate.load_config(config_file),
            reading=options.parse_reading(layout, id_map, image_pattern, label_pattern, split),
            fix_list=fix_list,
            overwrite=overwrite,
            ray=cluster_options.parse_ray(ray, ray_address, ray_cpus),
            reporter=reporter,
        )
        results.show(result.to_json(), findings.describe(result), as_json=as_json)
    if result.is_failed:
        raise typer.Exit(process.EXIT_FAILED)
