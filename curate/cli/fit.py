"""``curate fit``."""

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.command_errors import command_errors
from curate.cli.memory import keep_memory
from curate.cli.options import (
    AsJson,
    ConfigFile,
    DeviceChoice,
    Overwrite,
    Precision,
    Resume,
    Workers,
    parse_size,
)
from curate.cli.results import count, duration, show

_REPLACES = "may be repeated; replaces the list in the file."


def fit(
    config_file: ConfigFile = None,
    real: Annotated[
        list[Path] | None, typer.Option("--real", metavar="DIR", help=f"Real images; {_REPLACES}")
    ] = None,
    synthetic: Annotated[
        list[Path] | None,
        typer.Option("--synthetic", metavar="DIR", help=f"Synthetic images; {_REPLACES}"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="RUN", help="Folder of the run; a new one below runs/."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option("--method", metavar="NAME", help="streams, hierarchical or uniform."),
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option("--segmenter", metavar="NAME", help="A built-in one, or package.module:name."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="HxW", help="Height and width that images are resized to."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps of training.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Images a step, half of them real.")
    ] = None,
    device: DeviceChoice = None,
    precision: Annotated[
        Precision | None, typer.Option("--precision", help="Numbers that training computes with.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Start of all random numbers.")] = None,
    workers: Workers = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train a segmenter and the weighting networks jointly.

    Settings come from curate.toml; an option given here beats the file.
    """
    with command_errors() as reporter:
        keep_memory()
        from curate.config import DatasetConfig, load_config
        from curate.training.fit import fit as run_fit

        config = load_config(config_file).with_fit(
            method=method,
            segmenter=segmenter,
            size=parse_size(size),
            steps=steps,
            batch_size=batch_size,
            device=device,
            precision=precision,
            seed=seed,
            workers=workers,
        )
        given = {"real": real, "synthetic": synthetic}
        replaced = {
            domain: tuple(DatasetConfig(path=folder.absolute()) for folder in folders)
            for domain, folders in given.items()
            if folders
        }
        result = run_fit(
            config.model_copy(update=replaced),
            out=out,
            resume=resume,
            overwrite=overwrite,
            reporter=reporter,
        )
        lines = [
            f"Run: {result.run}",
            f"{count(result.steps, 'step')} in {duration(result.seconds)} on {result.device}, "
            f"{count(result.num_real, 'real image')}, "
            f"{count(result.num_synthetic, 'synthetic image')}",
        ]
        show(result.to_json(), lines, as_json=as_json)
