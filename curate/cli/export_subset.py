"""``curate export-subset``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import curate
from curate.cli import options, process, results

if TYPE_CHECKING:
    from curate.selection.export import ExportResult


def export_subset(
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            "--scores",
            metavar="FILE",
            help="A score file; by default the newest. May be repeated: files of one run are cut "
            "as one.",
        ),
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
        str | None,
        typer.Option(
            "--rank-by",
            metavar="NAME",
            help="What ranks: score, weight, or a stream's name (appearance, ..); for images "
            "also image_score, region_score, pixel_score and the same of weights. By default "
            "what the score file names.",
        ),
    ] = None,
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
    with process.command_errors() as reporter:
        from curate.scores.guard import choose_scores

        result = curate.export_subset(
            choose_scores(scores or (), curate.load_config(config_file).root),
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
        results.show(result.to_json(), _lines(result), as_json=as_json)


def _lines(result: "ExportResult") -> list[str]:
    """Say what was kept, of each data set and class, and what comes next."""
    unit = "image" if result.by == "pixel" else result.by
    share = result.pixels_kept / max(result.pixels_total, 1)
    lines = [
        "Nothing was written (dry run)." if result.dry_run else f"Subset: {result.out}",
        f"{result.selected:,} of {results.count(result.of, unit)} selected, with {share:.1%} of "
        "the pixels",
    ]
    if len(result.sets) > 1:
        width = max(map(len, result.sets))
        lines += [
            f"  {name:<{width}}  {each['selected']:,} of {results.count(each['of'], unit)}"
            for name, each in result.sets.items()
        ]
    rows = [
        (each.name, f"{each.before:,}", f"{each.kept:,}", f"{each.kept / each.before:.1%}")
        for each in result.classes
        if each.before
    ]
    if rows:
        lines += results.columns([("class", "pixels before", "kept", "share"), *rows])
    if result.dry_run:
        return [*lines, "Next: the same command without --dry-run"]
    return [*lines, results.next_command("compare", "--out", "worth") + "  (does it pay?)"]
