from pathlib import Path

import pandas as pd
import pytest

from curate.auditing.result import AuditResult

NAN = float("nan")


def row(name, strength, auroc, low, high, *, level="pixel", score="score", images=5):
    return {
        "corruption": name,
        "strength": strength,
        "level": level,
        "score": score,
        "auroc": auroc,
        "auroc_low": low,
        "auroc_high": high,
        "images": images,
        "false_alarm": 0.25,
    }


@pytest.fixture
def result():
    table = pd.DataFrame(
        [
            row("clear", "mild", 0.8, 0.7, 0.9),
            row("clear", "strong", 0.9, 0.8, 1.0),
            row("part", "mild", 0.62, 0.45, 0.7),
            row("part", "strong", 0.9, 0.8, 1.0),
            row("hidden", "mild", 0.55, 0.52, 0.58),
            row("hidden", "strong", 0.3, 0.2, 0.4),
            row("absent", "mild", NAN, NAN, NAN),
            row("absent", "strong", NAN, NAN, NAN),
            *(row(name, "all", 0.7, 0.6, 0.8) for name in ("clear", "part", "hidden")),
            row("absent", "all", NAN, NAN, NAN, images=0),
            row("clear", "all", 0.1, 0.0, 0.2, level="image"),
        ]
    )
    names = ("clear", "part", "hidden", "absent")
    return AuditResult(Path("run"), 5, names, ("mild", "strong"), table, 1.0)


def test_values_are_looked_up_by_what_they_are_of(result):
    assert result.value("auroc", "pixel", corruption="clear", strength="mild") == 0.8
    assert result.value("auroc", "image", corruption="clear") == 0.1
    assert result.interval("auroc", "image", corruption="clear") == (0.0, 0.2)


def test_a_corruption_is_missed_where_its_area_is_small_or_chance_is_in_reach(result):
    assert result.missed() == {"part": ["mild"], "hidden": ["mild", "strong"]}


def test_a_corruption_is_inverted_where_even_the_upper_end_is_below_chance(result):
    result.table.loc[result.table["corruption"] == "hidden", "auroc_high"] = 0.49
    assert result.inverted() == ["hidden"]


def test_a_corruption_that_could_not_be_injected_is_told_apart_from_a_missed_one(result):
    assert result.not_injected() == ["absent"]
