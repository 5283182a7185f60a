from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from curate import costs, records
from curate.config import Config
from curate.training import summary


class Method:
    gives_scores = True
    streams = ("appearance", "semantics", "layout")
    active_streams = ("appearance", "layout")

    def scores(self, evidence):
        return SimpleNamespace(combined=evidence.given)


def batch(scores, labels, *, is_real=False):
    """A batch that stands for its own evidence."""
    shape = (1, 1, len(scores))
    return SimpleNamespace(
        is_real=torch.tensor([is_real]),
        given=torch.tensor(scores).view(shape),
        label_map=torch.tensor(labels).view(shape),
    )


def trainer(method=None):
    return SimpleNamespace(method=method or Method(), gather_held_out=lambda batches: batches)


HELD_OUT = [
    batch([0.0, 0.0], [0, 0], is_real=True),  # real images are not looked at
    batch([0.1, 0.2, 0.3, 0.4, 0.5, 0.9], [0, 1, 0, 1, 0, records.IGNORE_INDEX]),
    batch([0.6, 0.7, 0.8, 0.9, 1.0, 0.0], [0, 1, 0, 1, 0, 1]),
]


def test_outcome_is_put_into_words():
    measured = {"auroc_appearance": 0.97, "auroc_layout": 0.5, "held_out_loss": 0.1}
    assert summary.describe_outcome(trainer(), HELD_OUT, measured) == [
        "On held-out images it nearly always tells real from synthetic by appearance (AUROC, .5 = "
        "chance: appearance .97, layout .50).",
        "Active streams: appearance, layout; silent: semantics.",
        # of 0, .1, .2, .. 1
        "Scores of held-out synthetic pixels: a tenth is below .10, half below .50, a tenth above "
        ".90.",
    ]


@pytest.mark.parametrize(
    ("area", "words"),
    [(0.95, "nearly always"), (0.94, "well"), (0.7, "somewhat"), (0.6, "hardly"), (0.54, "not")],
)
def test_auroc_has_its_word(area, words):
    first, *_ = summary.describe_outcome(trainer(), [], {"auroc_x": area})
    assert words in first


def test_nothing_is_said_of_what_was_not_measured():
    plain = SimpleNamespace(gives_scores=True, streams=())
    assert summary.describe_outcome(trainer(plain), [], {"auroc_pixel": float("nan")}) == []
    baseline = SimpleNamespace(gives_scores=False, streams=())
    (line,) = summary.describe_outcome(trainer(baseline), HELD_OUT, {})
    assert "baseline" in line


def test_work_is_told_with_its_parts_and_minutes(monkeypatch):
    monkeypatch.setattr(costs, "estimate_seconds", lambda *_, **__: (420.0, 240.0))
    config = Config().with_fit(method="streams", size=(180, 240), steps=2000)
    task = SimpleNamespace(num_real=60, num_synthetic=1479)
    assert summary.describe_work(config, task, Path("runs/run-0001")) == [
        "Run: runs/run-0001",
        "Method streams, efficientnet_lite0_fpn at 180x240, 2,000 steps of 8 images",
        "60 real and 1,479 synthetic images; roughly 11 min, 7 min of them to prepare",
    ]
    monkeypatch.setattr(costs, "estimate_seconds", lambda *_, **__: (40.0, 15.0))
    assert summary.describe_work(config, task, Path("x"))[-1].endswith("roughly less than a minute")
