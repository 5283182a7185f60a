"""``curate compare``."""

from pathlib import Path
from typing import Annotated, Any

import typer

import curate
from curate.cli import cluster_options, options, process, results


def compare(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the results; it is resumable.")
    ],
    config_file: options.ConfigFile = None,
    arms: Annotated[
        str | None,
        typer.Option(
            "--arms",
            metavar="LIST",
            help="As real,joint,default,top30 without spaces; the names are above.",
        ),
    ] = None,
    references: Annotated[
        list[str] | None,
        typer.Option("--reference", metavar="ARM", help="Compare with it; may be repeated."),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", min=1, help="Trainings of each draw.")
    ] = 2,
    num_real: Annotated[
        int | None,
        typer.Option(
            "--num-real", metavar="N", min=2, help="Real images of a draw; by default all."
        ),
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", metavar="N", min=1, help="Random draws of the real images.")
    ] = 1,
    curve: Annotated[
        str | None,
        typer.Option(
            "--curve",
            metavar="NAME=LIST",
            help="Compare along share=10,30,100 (of arms such as default:top30), num_real=5,10,20 "
            "or steps=250,750; table and plot of it, too.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Trainings at a time, a thread each."),
    ] = None,
    ray: cluster_options.Ray = False,
    ray_address: cluster_options.RayAddress = None,
    ray_cpus: cluster_options.RayCpus = 1,
    ray_gpus: cluster_options.RayGpus = 0,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Train the same segmenter on competing data and tell what is better, with intervals.

    Arms are evaluated on the test tables of curate.toml, from which nothing is learned: real,
    real-matched, synthetic, joint, finetune, joint-real, constant, a method's weights (default,
    streams, ..), these and then real images only (default-real), their controls (default:permuted,
    default:inverted), the best by its scores (default:top30; :region or :pixel and :per-class may
    follow), as much at random (random30), and the arm tables of curate.toml.
    """
    with process.command_errors() as reporter:
        process.keep_memory()
        named = {"arms": options.parse_list(arms or ""), "references": references}
        chosen: dict[str, Any] = {name: value for name, value in named.items() if value}
        chosen |= {"seeds": seeds, "num_real": num_real, "draws": draws, "out": out}
        chosen |= {"workers": workers, "resume": resume, "overwrite": overwrite}
        chosen["ray"] = cluster_options.parse_ray(ray, ray_address, ray_cpus, ray_gpus)
        config = curate.load_config(config_file)
        if curve:
            from curate.comparing.curves import compare_along, parse_curve

            along = parse_curve(curve)
            result: Any = compare_along(config, along, **chosen, reporter=reporter)
        else:
            result = curate.compare(config, **chosen, reporter=reporter)
        lines = [
            *result.table(),
            *result.said,
            f"Done in {results.duration(result.seconds)}; tables and plots: {result.out}",
            results.next_command("report", why="what the scores look like"),
        ]
        results.show(result.to_json(), lines, as_json=as_json)
