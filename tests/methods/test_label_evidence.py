"""What evidence means and how many labels are right, worked out by hand."""

import math

import pytest
import torch

from curate.methods import label_evidence
from curate.methods.label_evidence import POOLED_SHARE, find_shares, fit_evidence


def test_evidence_is_what_its_frequencies_say(monkeypatch):
    monkeypatch.setattr(label_evidence, "SLOPE_RIDGE", 0)
    # of 10 cells of a class, log-odds are 1 in 8; of 10 of the other class they are 1 in 2
    is_high = [1.0] * 8 + [0.0] * 2
    is_low = [1.0] * 2 + [0.0] * 8
    odds = torch.tensor([is_high + is_low, is_low + is_high]).T
    labels = torch.tensor([0] * 10 + [1] * 10)
    slope, offsets = fit_evidence(odds, labels)
    assert slope == pytest.approx(2 * math.log(4), abs=0.01)
    assert offsets.tolist() == pytest.approx([-math.log(4)] * 2, abs=0.01)


def test_own_cells_of_a_class_count_as_much_as_all_others():
    odds = torch.zeros(10, 3)  # tell nothing
    _, offsets = fit_evidence(odds, torch.tensor([0] * 9 + [1]))
    assert offsets.tolist() == pytest.approx([0.0] * 3, abs=1e-4)  # nor does the third, unknown


def test_shares_are_those_of_the_labels_that_are_right():
    evidence = torch.tensor([20.0, 20, 20, -20, 20, -20, -20, -20])
    shares = find_shares(evidence, torch.tensor([0] * 4 + [1] * 4), 3)
    pull = POOLED_SHARE * 0.25
    assert shares.tolist() == pytest.approx([0.75 - pull, 0.25 + pull, 0.5], abs=1e-6)
