"""The results of a comparison as files: Parquet, a Markdown table, plots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from curate.files.atomic import replacing
from curate.metrics import class_iou

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from curate.comparing.results import Comparison
    from curate.comparing.statistics import Estimate

TRAININGS_NAME, TABLE_NAME, SUMMARY_NAME = "trainings.parquet", "table.md", "summary.json"
PLOT_NAME, CURVE_NAME = "arms", "curve"
AXES = {
    "share": "share of the synthetic data that is kept, %",
    "num_real": "real images",
    "steps": "steps",
}
"""What a curve runs along, in words."""


def write_tables(
    folder: Path, comparison: Comparison, said: Sequence[str], class_names: Sequence[str]
) -> None:
    """Write everything that is made of the outcomes; what is there is replaced."""
    with replacing(folder / TRAININGS_NAME) as partial:
        pd.DataFrame(_rows(comparison, class_names)).to_parquet(partial, index=False)
    with replacing(folder / SUMMARY_NAME) as partial:
        partial.write_text(json.dumps(comparison.to_json() | {"said": list(said)}, indent=1))
    with replacing(folder / TABLE_NAME) as partial:
        tables = [*markdown(comparison), "", *class_table(comparison, class_names)]
        partial.write_text("\n".join([*tables, "", *said, ""]), encoding="utf-8")
    if comparison.num_seeds:
        draw_arms(folder, comparison)


def markdown(comparison: Comparison) -> list[str]:
    """Lay out means and differences as a table, one row an arm."""
    head = ["arm", "mIoU", *(f"minus {r}" for r in comparison.references)]
    head += ["pixels used", "seconds", "MiB"]
    lines = [" | ".join(["", *head, ""]).strip(), "|" + "---|" * len(head)]
    for arm in comparison.arms:
        cells = [f"`{arm}`", with_interval(comparison.miou(arm))]
        cells += [
            "" if arm == r else with_interval(comparison.difference(arm, r), signed=True)
            for r in comparison.references
        ]
        cells += [f"{comparison.mean(arm, 'share_used'):.0%}"]
        cells += [f"{comparison.mean(arm, name):.0f}" for name in ("seconds", "peak_mib")]
        lines.append(" | ".join(["", *cells, ""]).strip())
    return lines


def class_table(comparison: Comparison, class_names: Sequence[str]) -> list[str]:
    """Lay out the mean IoU of each class, one row an arm; empty where the class never occurs."""
    head = ["IoU", *class_names]
    lines = [" | ".join(["", *head, ""]).strip(), "|" + "---|" * len(head)]
    for arm in comparison.arms:
        found = [f"{v:.3f}" if v == v else "" for v in comparison.class_iou(arm).tolist()]
        lines.append(" | ".join(["", f"`{arm}`", *found, ""]).strip())
    return lines


def write_curve(folder: Path, along: str, points: Mapping[int, Comparison]) -> None:
    """Write table, summary and plot of comparisons along a curve; what is there is replaced."""
    with replacing(folder / f"{CURVE_NAME}.json") as partial:
        told = [{"value": value, **found.to_json()} for value, found in points.items()]
        partial.write_text(json.dumps({"curve": along, "points": told}, indent=1))
    with replacing(folder / f"{CURVE_NAME}.md") as partial:
        partial.write_text("\n".join([*curve_tables(along, points), ""]), encoding="utf-8")
    draw_curve(folder, along, points)


def curve_tables(along: str, points: Mapping[int, Comparison]) -> list[str]:
    """Lay out the means, then the differences to each reference: a row an arm, a column a value."""
    first = next(iter(points.values()))
    lines: list[str] = []
    for reference in (None, *first.references):
        title = f"mIoU, {along}" if reference is None else f"minus {reference}, {along}"
        lines += [
            "| " + " | ".join([title, *map(str, points)]) + " |",
            "|---" * (len(points) + 1) + "|",
        ]
        for arm in (arm for arm in first.arms if arm != reference):
            cells = [
                with_interval(found.miou(arm))
                if reference is None
                else with_interval(found.difference(arm, reference), signed=True)
                for found in points.values()
            ]
            lines.append(" | ".join(["", f"`{arm}`", *cells, ""]).strip())
        lines.append("")
    return lines[:-1]


def terminal_curve(along: str, points: Mapping[int, Comparison]) -> list[str]:
    """Lay out the means for a terminal of 80 columns: a block of lines for each arm."""
    lines = [f"mIoU on the test images (95% intervals) by {along}"]
    width = max(len(str(value)) for value in (*points, "all"))
    for arm in next(iter(points.values())).arms:
        lines.append(arm)
        shown = list(points.items())[:1] if is_level(arm, points) else list(points.items())
        lines += [
            f"  {value if len(shown) > 1 else 'all':>{width}}  {with_interval(found.miou(arm))}"
            for value, found in shown
        ]
    return lines


def is_level(arm: str, points: Mapping[int, Comparison]) -> bool:
    """Tell whether an arm is made of the same trainings all along a curve."""
    first, *rest = (found.outcomes[arm] for found in points.values())
    return all(each is first for each in rest)


def draw_curve(folder: Path, along: str, points: Mapping[int, Comparison]) -> None:
    """Draw the mean IoU of each arm along a curve, with intervals, as PNG and SVG."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    values = list(points)
    for arm in next(iter(points.values())).arms:
        found = [each.miou(arm) for each in points.values()]
        form = "--" if is_level(arm, points) else "o-"
        (line,) = axes.plot(values, [each.mean for each in found], form, ms=4, label=arm)
        low, high = [each.low for each in found], [each.high for each in found]
        axes.fill_between(values, low, high, alpha=0.12, color=line.get_color(), lw=0)
    axes.set_ylim(*limits([each.miou(arm) for each in points.values() for arm in each.arms]))
    axes.set_xlabel(AXES[along])
    axes.set_xticks(values, map(str, values))
    axes.set_ylabel("mean IoU on the test images, 95 % interval")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    _save(figure, folder / CURVE_NAME)


def terminal_table(comparison: Comparison) -> list[str]:
    """Lay the same out for a terminal of 80 columns: a block of lines for each reference."""
    width = max(map(len, comparison.arms), default=0)
    lines = ["mIoU on the test images (95% intervals)"]
    lines += [f"  {arm:<{width}}  {with_interval(comparison.miou(arm))}" for arm in comparison.arms]
    for reference in comparison.references:
        lines.append(f"minus {reference}, paired")
        lines += [
            f"  {arm:<{width}}  {with_interval(comparison.difference(arm, reference), signed=True)}"
            for arm in comparison.arms
            if arm != reference
        ]
    return lines


def with_interval(found: Estimate, *, signed: bool = False) -> str:
    """Write ``.596 [.556, .637]``, or the mean alone where there is no interval."""
    form = "+.3f" if signed else ".3f"
    mean = format(found.mean, form)
    return mean if found.low != found.low else f"{mean} [{found.low:.3f}, {found.high:.3f}]"


def _rows(comparison: Comparison, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """One row a training."""
    rows = []
    for outcome in (o for table in comparison.outcomes.values() for row in table for o in row):
        numbers = {"miou": outcome.miou} | {
            f"iou_{name}": value
            for name, value in zip(class_names, class_iou(outcome.confusion), strict=True)
        }
        rows.append(
            {"arm": outcome.arm, "draw": outcome.draw, "seed": outcome.seed, "steps": outcome.steps}
            | numbers
            | {
                "share_used": outcome.share_used,
                "seconds": outcome.seconds,
                "peak_mib": outcome.peak_mib,
            }
        )
    return rows


def draw_arms(folder: Path, comparison: Comparison) -> None:
    """Draw the mean IoU of each arm, with interval and single draws, into ``arms.png`` and .svg."""
    arms = list(reversed(comparison.arms))
    figure = Figure(figsize=(6.4, 0.6 + 0.32 * len(arms)), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    for row, arm in enumerate(arms):
        found = comparison.miou(arm)
        values = [o.miou for each in comparison.outcomes[arm] for o in each]
        axes.plot(values, [row] * len(values), "o", ms=3, mfc="none", color="0.6")
        colour = "tab:blue" if arm in comparison.references else "tab:orange"
        reach = [[found.mean - found.low], [found.high - found.mean]]
        has_interval = found.low == found.low
        axes.errorbar(
            found.mean, row, xerr=reach if has_interval else None, fmt="o", capsize=3, color=colour
        )
    axes.set_yticks(range(len(arms)), arms)
    single = [o.miou for arm in arms for each in comparison.outcomes[arm] for o in each]
    axes.set_xlim(*limits([comparison.miou(arm) for arm in arms], single))
    axes.set_xlabel("mean IoU on the test images, 95 % interval")
    axes.grid(axis="x", alpha=0.3)
    _save(figure, folder / PLOT_NAME)


def limits(found: Sequence[Estimate], single: Sequence[float] = ()) -> tuple[float, float]:
    """Choose the range of an axis: all values, and of wide intervals what lies near them."""
    means = [*(each.mean for each in found), *single]
    reach = max(0.05, max(means) - min(means))
    ends = [*means, *(end for each in found for end in (each.low, each.high) if end == end)]
    low = max(min(ends), min(means) - reach)
    high = min(max(ends), max(means) + reach)
    return max(0.0, low - 0.1 * reach), min(1.0, high + 0.1 * reach)


def _save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and SVG."""
    with replacing(path.with_name(f"{path.name}.png")) as partial:
        figure.savefig(partial, format="png")
    with replacing(path.with_name(f"{path.name}.svg")) as partial:
        FigureCanvasSVG(figure).print_svg(str(partial))
