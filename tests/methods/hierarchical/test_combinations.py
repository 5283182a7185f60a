"""Three levels' scores of one cell each, put together by every rule, worked out by hand."""

import pytest
import torch

from curate.methods.hierarchical.settings import COMBINATIONS

CELLS = {
    (0.5, 0.5, 0.5): {
        "mean": 0.5,
        "product": 0.125,
        "geometric_mean": 0.5,
        "minimum": 0.5,
        "logit_sum": 0.5,
    },
    (0.8, 0.2, 0.4): {
        "mean": 1.4 / 3,
        "product": 0.064,
        "geometric_mean": 0.4,  # 0.064 = 0.4 ** 3
        "minimum": 0.2,
        "logit_sum": 0.4,  # odds 4 * 1/4 * 2/3
    },
    (0.75, 0.9, 1.0): {
        "mean": 2.65 / 3,
        "product": 0.675,
        "geometric_mean": 0.675 ** (1 / 3),
        "minimum": 0.75,
        "logit_sum": 1.0,
    },
    (0.0, 0.0, 0.9): {
        "mean": 0.3,
        "product": 0.0,
        "geometric_mean": (1e-12 * 0.9) ** (1 / 3),
        "minimum": 0.0,
        "logit_sum": 0.0,
    },
}


@pytest.mark.parametrize("rule", COMBINATIONS)
@pytest.mark.parametrize("levels", CELLS)
def test_levels_are_put_together(rule, levels):
    scores = torch.tensor(levels).view(3, 1, 1, 1)
    found = COMBINATIONS[rule](scores)
    assert found.shape == (1, 1, 1)
    assert found.item() == pytest.approx(CELLS[levels][rule], abs=1e-5)


def test_certain_levels_that_disagree_leave_it_to_the_third():
    found = COMBINATIONS["logit_sum"](torch.tensor([0.0, 1.0, 0.8]))
    assert found.item() == pytest.approx(0.8, abs=5e-3)  # in single precision


def test_every_rule_has_its_answers():
    assert all(set(answers) == set(COMBINATIONS) for answers in CELLS.values())
