"""``curate export-subset``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import curate
from curate.cli import completion, options, process, results

if TYPE_CHECKING:
    from curate.selection.export import ExportResult


_AMOUNT = "How much to keep (one of these)"
_WHICH = "Which to keep"
_BALANCE = "Balance"
_CONTROL = "Chance and control"
_FILES = "Files"


def export_subset(
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            "--scores",
            metavar="FILE",
            help="A score file; by default the newest. May be repeated: files of one run are cut "
            "as one.",
            autocompletion=completion.complete_scores,
        ),
    ] = None,
    config_file: options.ConfigFile = None,
    top: Annotated[
        str | None,
        typer.Option(
            "--top", metavar="SHARE", help="Share to keep: 30% or 0.3.", rich_help_panel=_AMOUNT
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            metavar="N",
            help="Number of images, regions or pixels.",
            rich_help_panel=_AMOUNT,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="SCORE",
            help="Smallest score, from 0 to 1.",
            rich_help_panel=_AMOUNT,
        ),
    ] = None,
    pixels: Annotated[
        int | None,
        typer.Option(
            "--pixels",
            metavar="N",
            help="Number of valid pixels to reach with the best.",
            rich_help_panel=_AMOUNT,
        ),
    ] = None,
    by: Annotated[
        options.Level,
        typer.Option("--by", help="What to keep or leave out.", rich_help_panel=_WHICH),
    ] = "image",
    rank_by: Annotated[
        str | None,
        typer.Option(
            "--rank-by",
            metavar="NAME",
            help="What ranks: score, weight, or a stream's name (appearance, ..); for images "
            "also image_score, region_score, pixel_score and the same of weights. By default "
            "what the score file names.",
            autocompletion=completion.complete_column,
            rich_help_panel=_WHICH,
        ),
    ] = None,
    drop_near_duplicates: Annotated[
        bool,
        typer.Option(
            "--drop-near-duplicates",
            help="Of images that are nearly equal, take the best only.",
            rich_help_panel=_WHICH,
        ),
    ] = False,
    diverse: Annotated[
        bool,
        typer.Option(
            "--diverse",
            help="Of twice as many of the best images, keep those that differ most.",
            rich_help_panel=_WHICH,
        ),
    ] = False,
    per_class: Annotated[
        bool,
        typer.Option(
            "--per-class",
            help="Take share, count or pixels within each class: the best regions or pixels of "
            "each; by image, those among the best for at least one class that they show, of the "
            "images that show it.",
            rich_help_panel=_BALANCE,
        ),
    ] = False,
    per_set: Annotated[
        bool,
        typer.Option(
            "--per-set",
            help="Take share, count or pixels within each data set.",
            rich_help_panel=_BALANCE,
        ),
    ] = False,
    min_class_share: Annotated[
        str | None,
        typer.Option(
            "--min-class-share",
            metavar="SHARE",
            help="Keep at least so much of the pixels of every class: 20%.",
            rich_help_panel=_BALANCE,
        ),
    ] = None,
    floors: Annotated[
        list[str] | None,
        typer.Option(
            "--floor",
            metavar="CLASS=SHARE",
            help="Keep at least so much of a class: sign=40%; may be repeated.",
            rich_help_panel=_BALANCE,
        ),
    ] = None,
    quotas: Annotated[
        list[str] | None,
        typer.Option(
            "--quota",
            metavar="CLASS=SHARE",
            help="Keep at most so much of a class: road=20%; may be repeated.",
            rich_help_panel=_BALANCE,
        ),
    ] = None,
    draw: Annotated[
        bool,
        typer.Option(
            "--draw",
            help="Draw at random in proportion to what ranks, in place of the best.",
            rich_help_panel=_CONTROL,
        ),
    ] = False,
    control: Annotated[
        options.Control | None,
        typer.Option(
            "--control",
            help="Write beside it, as OUT-random, as many pixels of each class at random: train "
            "on both to see what the scores are worth.",
            rich_help_panel=_CONTROL,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="Start of all random numbers.",
            rich_help_panel=_CONTROL,
        ),
    ] = 0,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="DIR",
            help=f"Folder of the subset.{options.OR_URL}",
            rich_help_panel=_FILES,
        ),
    ] = Path("subset"),
    media: Annotated[
        options.Media | None,
        typer.Option(
            "--media",
            help="How the original files get there; by default symlink, where the format takes it.",
        ),
    ] = None,
    layout_format: Annotated[
        options.Format,
        typer.Option("--format", help="How the subset is laid out.", rich_help_panel=_FILES),
    ] = "original",
    label_ids: Annotated[
        options.LabelIds | None,
        typer.Option(
            "--label-ids",
            help="What labels hold: the data set's ids (for original and adaptsegnet the default), "
            "the index of each class (for others), or Cityscapes' train ids.",
        ),
    ] = None,
    weight_maps: Annotated[
        bool, typer.Option("--weight-maps", help="Write the weight of each pixel, too, as images.")
    ] = False,
    dataset: Annotated[
        Path | None,
        typer.Option(
            "--dataset",
            metavar="DIR",
            help="Where the data set is, if it was moved.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only tell what would be selected.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Turn scores into a training subset; give one of --top, --count, --threshold, --pixels.

    Ends with what is kept of each class. manifest.csv in the subset says why each image is in it
    or is not.
    """
    with process.command_errors() as reporter:
        from curate.scores.guard import choose_scores

        config = curate.load_config(config_file)
        result = curate.export_subset(
            choose_scores(scores or (), config.root),
            out=out,
            control_out=control and out.with_name(f"{out.name}-{control}"),
            project=config.root,
            by=by,
            top=top,
            count=count,
            threshold=threshold,
            pixels=pixels,
            per_class=per_class,
            per_set=per_set,
            min_class_share=min_class_share,
            floors=tuple(floors or ()),
            quotas=tuple(quotas or ()),
            drop_near_duplicates=drop_near_duplicates,
            diverse=diverse,
            draw=draw,
            control=control,
            seed=seed,
            rank_by=rank_by,
            media=media or "",
            format=layout_format,
            label_ids=label_ids,
            weight_maps=weight_maps,
            dataset=dataset,
            resume=resume,
            overwrite=overwrite,
            dry_run=dry_run,
            reporter=reporter,
        )
        results.show(result.to_json(), _lines(result, has_test=bool(config.test)), as_json=as_json)


def _lines(result: "ExportResult", *, has_test: bool) -> list[str]:
    """Say what was kept, of each data set and class, and what comes next."""
    unit = "image" if result.by == "pixel" else result.by
    share = result.pixels_kept / max(result.pixels_total, 1)
    lines = [
        "Nothing was written (dry run)." if result.dry_run else f"Subset: {result.out}",
        f"{result.selected:,} of {results.count(result.of, unit)} selected, with {share:.1%} of "
        "the pixels",
    ]
    if result.control:
        lines.insert(1, f"Control: {result.control}")
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
    if has_test:
        return [*lines, results.next_command("compare", "--out", "worth", why="does it pay?")]
    advice = "with a [[test]] table in curate.toml, curate compare tells what it gains"
    return [*lines, *results.wrap(f"Next: train on {result.out}; {advice}.")]
