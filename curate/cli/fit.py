"""``curate fit``."""

from pathlib import Path
from typing import Annotated

import typer

import curate
from curate.cli import completion, options, process, results

_REPLACES = "may be repeated; replaces the list in the file."


def fit(
    config_file: options.ConfigFile = None,
    real: Annotated[
        list[Path] | None, typer.Option("--real", metavar="DIR", help=f"Real images; {_REPLACES}")
    ] = None,
    synthetic: Annotated[
        list[Path] | None,
        typer.Option("--synthetic", metavar="DIR", help=f"Synthetic images; {_REPLACES}"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="RUN", help=f"Folder of the run; by default a new one.{options.OR_URL}"
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="How pixels are weighed: streams, confidence, hierarchical, uniform, .. "
            "(label_quality needs 'curate-seg\\[cleanlab]').",
            autocompletion=completion.complete_method,
        ),
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            "--segmenter",
            metavar="NAME",
            help="A built-in one, smp:NAME or hf:NAME (needs 'curate-seg\\[smp]', "
            "'curate-seg\\[hf]'), or package.module:name.",
            autocompletion=completion.complete_segmenter,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="HxW", help="Height and width that images are resized to."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", help="Steps of training.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", metavar="N", help="Images a step, half of them real."),
    ] = None,
    device: options.DeviceChoice = None,
    precision: Annotated[
        options.Precision | None,
        typer.Option(
            "--precision",
            help="Numbers that training computes with.",
            rich_help_panel=options.MACHINE,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Start of all random numbers.")
    ] = None,
    workers: options.Workers = None,
    fix_list: options.FixList = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Train a segmenter and the weighting networks jointly.

    Settings come from curate.toml; an option given here beats the file.
    """
    with process.command_errors() as reporter:
        process.keep_memory()
        config = curate.load_config(config_file).with_datasets(real=real, synthetic=synthetic)
        config = config.with_fit(
            method=method,
            segmenter=segmenter,
            size=options.parse_size(size),
            steps=steps,
            batch_size=batch_size,
            device=device,
            precision=precision,
            seed=seed,
            workers=workers,
            fix_list=fix_list and fix_list.absolute(),
        )
        result = curate.fit(config, out=out, resume=resume, overwrite=overwrite, reporter=reporter)
        lines = [
            f"Run: {result.run}",
            f"{results.count(result.steps, 'step')} in {results.duration(result.seconds)} on "
            f"{result.device}, {results.count(result.num_real, 'real image')}, "
            f"{results.count(result.num_synthetic, 'synthetic image')}",
            *(part for line in result.verdict for part in results.wrap(line)),
        ]
        if config.fit.method == "uniform":
            lines.append(results.next_command("fit", "--method", "streams", why="learns scores"))
        else:
            lines.append(results.next_command("score", "--out", "weights.h5"))
        results.show(result.to_json(), lines, as_json=as_json)
