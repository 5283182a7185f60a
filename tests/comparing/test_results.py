import json
import re

import numpy as np
import pytest

from curate.comparing.results import Comparison, Outcome, verdict


def outcome(arm, draw, seed, hits):
    """Two classes, 10 pixels each; `hits` of each are right: IoU = hits / (20 - hits)."""
    confusion = np.array([[hits, 10 - hits], [10 - hits, hits]])
    return Outcome(arm, draw, seed, 8, confusion, 1.0, 2.0, 100.0, ("careful",))


def compared(*rows, references=("real", "joint")):
    return Comparison.of([outcome(*row) for row in rows], references)


def test_differences_are_paired_by_draw_and_seed():
    # IoU of 8, 9, 10 hits: 8/12, 9/11, 1
    found = compared(("real", 0, 0, 8), ("a", 0, 0, 9), ("real", 1, 0, 9), ("a", 1, 0, 10))
    differences = (9 / 11 - 8 / 12, 1 - 9 / 11)
    assert found.difference("a", "real").mean == pytest.approx(np.mean(differences))
    half = 12.7062 * np.std(differences, ddof=1) / np.sqrt(2)
    assert found.difference("a", "real").high == pytest.approx(
        np.mean(differences) + half, rel=1e-4
    )


def test_only_pairs_that_every_arm_finished_count():
    found = compared(("real", 0, 0, 8), ("a", 0, 0, 9), ("real", 1, 0, 1), ("a", 2, 0, 10))
    assert found.num_seeds == 1
    assert found.miou("a").mean == pytest.approx(9 / 11)


def test_a_draw_that_lacks_a_seed_is_left_out():
    rows = [(arm, d, s, 8) for arm in ("real", "a") for d, s in ((0, 0), (0, 1), (1, 0))]
    assert compared(*rows).num_seeds == 2


def test_of_the_constants_the_best_is_shown():
    found = compared(("joint", 0, 0, 8), ("constant:0.1", 0, 0, 9), ("constant:1.0", 0, 0, 7))
    assert found.arms == ("joint", "constant:0.1")


def test_the_best_constant_can_be_the_reference():
    rows = ("joint", 0, 0, 8), ("constant:0.1", 0, 0, 7), ("constant:1.0", 0, 0, 9), ("a", 0, 0, 9)
    found = compared(*rows, references=("constant",))
    assert found.references == ("constant:1.0",)
    assert found.difference("joint", "constant:1.0").mean == pytest.approx(8 / 12 - 9 / 11)


def test_a_view_shows_arms_by_other_names():
    found = compared(("joint", 0, 0, 8), ("a", 0, 0, 9)).view({"b": "a", "all": "joint"})
    assert (found.arms, found.references) == (("b", "all"), ("all",))
    assert found.miou("b").mean == pytest.approx(9 / 11)


def test_json_has_the_promised_keys():
    told = compared(("real", 0, 0, 8), ("a", 0, 0, 9)).to_json()
    assert told["arms"][1] == {
        "name": "a", "miou_mean": pytest.approx(9 / 11), "miou_low": None, "miou_high": None,
        "seeds": 1,
    }  # fmt: skip
    (difference,) = told["differences"]
    assert set(difference) == {"arm", "reference", "mean", "low", "high", "seeds"}
    assert (difference["arm"], difference["reference"]) == ("a", "real")
    json.dumps(told, allow_nan=False)


def test_outcome_comes_back_from_its_file():
    first = outcome("a", 1, 2, 8)
    again = Outcome.from_json(json.loads(json.dumps(first.to_json())))
    assert again.to_json() == first.to_json()
    assert again.confusion.dtype == np.int64


def test_verdict_says_what_is_better():
    rows = [("real", d, 0, 7) for d in (0, 1, 2)] + [("joint", d, 0, 8 + d % 2) for d in (0, 1, 2)]
    rows += [("a", d, 0, 9) for d in (0, 1, 2)]
    said = " ".join(verdict(compared(*rows)))
    assert "Better than real: a." in said
    assert "Nothing is shown to be better than joint." in said
    assert "a minus joint is" in said
    assert re.search(
        r"which 3 draws cannot tell from 0 \(power \d+%\); about \d+ draws would", said
    )


def test_seeds_are_counted_where_there_is_one_draw():
    rows = [(arm, 0, s, h + s % 2) for s in (0, 1, 2) for arm, h in (("real", 7), ("a", 7))]
    rows += [("b", 0, s, 7 + (2 * s) % 3) for s in (0, 1, 2)]
    assert "which 3 seeds cannot tell" in " ".join(verdict(compared(*rows)))


def test_verdict_is_of_every_reference():
    rows = [(arm, d, 0, h) for d in (0, 1) for arm, h in (("own", 7), ("joint", 8), ("a", 9))]
    said = verdict(compared(*rows, references=("own",)))
    assert said == ["Better than joint: a.", "Better than own: a."]


def test_verdict_says_that_nothing_is_better():
    rows = [
        (a, d, 0, h) for d in (0, 1, 2) for a, h in (("real", 8 + d % 2), ("joint", 7), ("a", 7))
    ]
    said = verdict(compared(*rows))
    assert said == [
        "Nothing is shown to be better than real.",
        "Nothing is shown to be better than joint.",
    ]


def test_verdict_asks_for_more_than_one_training():
    said = verdict(compared(("real", 0, 0, 8), ("a", 0, 0, 9)))
    assert said == [
        "Nothing is shown to be better than real.",
        "a minus real is +0.152 in one training: give --draws or --seeds to tell whether that is "
        "more.",
    ]
