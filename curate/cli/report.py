"""``curate report``."""

from pathlib import Path
from typing import Annotated

import typer

import curate
from curate.cli import options, process, results


def report(
    scores: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="SCORES",
            help="Score files of one run; by default the newest.",
            show_default=False,
        ),
    ] = None,
    config_file: options.ConfigFile = None,
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", metavar="DIR", help="Where the data set is, if it was moved."),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help=f"The page, a single file.{options.OR_URL}"),
    ] = Path("report.html"),
    resume: options.AlwaysResumed = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Show what score files hold in one HTML file that opens in any browser, without a network.

    Interrupted, it goes on from what it had seen when it is called again.
    """
    with process.command_errors() as reporter:
        from curate.scores.guard import choose_scores

        root = curate.load_config(config_file).root
        result = curate.report(
            choose_scores(scores or (), root),
            out=out,
            project=root,
            dataset=dataset,
            overwrite=overwrite,
            resume=resume,
            reporter=reporter,
        )
        named = [word for each in scores or () for word in ("--scores", each)]
        named += ["--dataset", dataset] if dataset else []
        lines = [
            f"Report: {result.out}",
            f"{results.count(result.images, 'image')} in {result.bytes / 1e6:.1f} MB, "
            f"{results.duration(result.seconds)}. Open it in a browser.",
            results.next_command("export-subset", *named, "--top", "30%"),
        ]
        results.show(result.to_json(), lines, as_json=as_json)
