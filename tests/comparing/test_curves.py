import json

import numpy as np
import pytest

from curate.comparing.curves import Curve, at_share, compare_along, parse_curve
from curate.errors import UsageError
from tests.tiny import RecordingReporter

ARMS = ("joint", "constant", "default:top30:region", "random30")


def along(config, tmp_path, text, **options):
    chosen = {"arms": ARMS, "seeds": 1, "out": tmp_path / "cmp", "workers": 1}
    return compare_along(
        config, parse_curve(text), reporter=RecordingReporter(), **chosen | options
    )


def hits(count):
    """IoU of the two classes that occur: count / (20 - count)."""
    return np.array([[count, 10 - count, 0], [10 - count, count, 0], [0, 0, 0]])


def names_of(trained):
    """Arms that were trained, fits of methods left out."""
    return {out.parent.name.split(".", 2)[-1] for out, _ in trained["runs"]} - {"fits"}


def test_values_are_put_in_order():
    assert parse_curve("share=30%, 10,100") == Curve("share", (10, 30, 100))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stpes=1,2", "runs along one of share, num_real, steps. Did you mean 'steps'"),
        ("steps", "whole numbers, for example steps=10,30,50"),
        ("steps=1,x", "whole numbers"),
        ("steps=5", "two or more values, each once"),
        ("steps=5,5", "two or more values, each once"),
        ("share=0,30", "from 1 to 100"),
        ("share=30,101", "from 1 to 100"),
        ("num_real=1,5", "from 2"),
    ],
)
def test_what_is_no_curve_is_told_what_one_is(text, message):
    with pytest.raises(UsageError, match=message):
        parse_curve(text)


def test_only_the_share_of_a_selection_changes():
    assert at_share("mine30:top30:region", 5) == "mine30:top5:region"
    assert at_share("random30", None) == "random"
    assert at_share("default:top30:pixel:per-class", 7) == "default:top7:pixel:per-class"
    assert at_share("top30:permuted", 5) == "top30:permuted"


def test_along_steps_everything_is_compared_at_each_number(config, trained, selected, tmp_path):
    trained.confusion = lambda run: hits(5 if "steps-2" in str(run) else 8)
    found = along(config, tmp_path, "steps=2,6", arms=("joint", "constant", "default"))
    steps = {(out.parts[-3], c.fit.steps) for out, c in trained["runs"] if "work" not in out.parts}
    assert steps == {("steps-2", 2), ("steps-6", 6)}
    assert list(found.points) == [2, 6]
    for value, count in ((2, 5), (6, 8)):
        assert found.points[value].arms == ("real", "joint", "constant", "default")
        assert found.points[value].miou("joint").mean == pytest.approx(count / (20 - count))
    told = json.loads((tmp_path / "cmp/curve.json").read_text())
    assert told["points"][1]["arms"] == found.points[6].to_json()["arms"]
    assert told == {key: found.to_json()[key] for key in ("curve", "points")}
    assert any(line.startswith("steps 2: ") for line in found.said)


def test_along_real_images_each_draw_holds_the_smaller_one(config, trained, selected, tmp_path):
    along(config, tmp_path, "num_real=2,4", arms=("joint",))
    assert {c.fit.num_real for _, c in trained["runs"]} == {2, 4}
    with pytest.raises(UsageError, match="what the curve runs along"):
        along(config, tmp_path, "num_real=2,4", num_real=3, resume=True)


def test_along_shares_only_selections_are_trained_again(config, trained, selected, tmp_path):
    def confusion(run):
        kept = {"top10": 6, "top50": 9, "random10": 3, "random50": 5, "joint": 8}
        return hits(next((v for k, v in kept.items() if k in run.parent.name), 1))

    trained.confusion = confusion
    found = along(config, tmp_path, "share=10,50,100")
    assert names_of(trained) == {
        "real", "joint", "constant_0.1", "constant_0.3", "constant_1.0", "constant_3.0",
        "default_top10_region", "default_top50_region", "random10", "random50",
    }  # fmt: skip
    lines = {
        arm: [round(each.miou(arm).mean * 1000) for each in found.points.values()]
        for arm in ("default:top:region", "random", "joint")
    }
    assert lines == {
        "default:top:region": [429, 818, 667],  # all of the data is joint
        "random": [176, 333, 667],
        "joint": [667, 667, 667],
    }
    assert (tmp_path / "cmp/curve.png").exists()
    table = found.table()
    assert table[table.index("joint") + 1] == "  all  0.667"
    assert table[table.index("random") + 1 :] == ["   10  0.176", "   50  0.333", "  100  0.667"]
    assert (
        "| `default:top:region` | 0.429 | 0.818 | 0.667 |"
        in (tmp_path / "cmp/curve.md").read_text()
    )
    assert found.points[50].references == ("real", "joint")


def test_a_curve_is_resumed_from_what_is_kept(config, trained, selected, tmp_path):
    first = along(config, tmp_path, "share=10,50")
    trained.clear()
    more = along(config, tmp_path, "share=10,30,50", resume=True)
    assert names_of(trained) == {"default_top30_region", "random30"}
    assert more.points[10].to_json() == first.points[10].to_json()


def test_what_has_no_share_has_no_curve_along_it(config, trained, tmp_path):
    with pytest.raises(UsageError, match="No arm keeps a share"):
        along(config, tmp_path, "share=10,50", arms=("joint", "default"))


def test_a_comparison_of_another_kind_is_not_mixed_with(config, trained, selected, tmp_path):
    along(config, tmp_path, "share=10,50")
    with pytest.raises(UsageError, match=r"no curve along steps\. Name another --out"):
        along(config, tmp_path, "steps=2,4")
