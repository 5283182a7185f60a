"""``curate export-subset``."""

from pathlib import Path
from typing import Annotated

import typer

from curate.cli import options, results
from curate.cli.process import command_errors


def export_subset(
    scores: Annotated[
        Path | None,
        typer.Option("--scores", metavar="FILE", help="A score file; by default the newest."),
    ] = None,
    config_file: options.ConfigFile = None,
    top: Annotated[
        str | None, typer.Option("--top", metavar="SHARE", help="Share to keep: 30% or 0.3.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", help="Number of images, regions or pixels to keep.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Smallest score to keep, from 0 to 1.")
    ] = None,
    pixels: Annotated[
        int | None,
        typer.Option("--pixels", help="Number of valid pixels to reach with the best."),
    ] = None,
    per_class: Annotated[
        bool,
        typer.Option(
            "--per-class",
            help="Take share, count or pixels within each class: the best regions or pixels of "
            "each; by image, those among the best for at least one class that they show, of the "
            "images that show it.",
        ),
    ] = False,
    by: Annotated[options.Level, typer.Option("--by", help="What to keep or leave out.")] = "image",
    rank_by: Annotated[
        str,
        typer.Option(
            "--rank-by",
            metavar="NAME",
            help="Score that ranks: score, a stream's name (appearance, ..); for images "
            "also image_score, region_score, pixel_score.",
        ),
    ] = "score",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the subset.")] = Path(
        "subset"
    ),
    media: Annotated[
        options.Media, typer.Option("--media", help="How the original files get there.")
    ] = "symlink",
    layout_format: Annotated[
        options.Format, typer.Option("--format", help="How the subset is laid out.")
    ] = "original",
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", metavar="DIR", help="Where the data set is, if it was moved."),
    ] = None,
    overwrite: options.Overwrite = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be selected.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Turn scores into a training subset; give one of --top, --count, --threshold, --pixels."""
    with command_errors() as reporter:
        from curate.config import load_config
        from curate.files.state import latest_scores
        from curate.selection.export import export_subset as run_export

        result = run_export(
            scores or latest_scores(load_config(config_file).root),
            out=out,
            by=by,
            top=top,
            count=count,
            threshold=threshold,
            pixels=pixels,
            per_class=per_class,
            rank_by=rank_by,
            media=media,
            format=layout_format,
            dataset=dataset,
            overwrite=overwrite,
            dry_run=dry_run,
            reporter=reporter,
        )
        share = result.pixels_kept / max(result.pixels_total, 1)
        lines = [
            "Nothing was written (dry run)." if dry_run else f"Subset: {result.out}",
            f"{result.selected:,} of {results.count(result.of, 'image' if by == 'pixel' else by)} "
            f"selected, with {share:.1%} of the pixels",
        ]
        results.show(result.to_json(), lines, as_json=as_json)
