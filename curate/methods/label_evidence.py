"""What evidence for labels means, and how many of them are right.

What it means is learned from real images by one logistic regression: their labels are right, and
every other class would be wrong. How many labels of each class are right elsewhere is not assumed,
but found there by expectation maximisation [1]_: the share of the right ones is the mean of their
posteriors.

References
----------
.. [1] Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
   Probabilities: A Simple Procedure", Neural Computation 14(1), 2002,
   doi 10.1162/089976602753284446.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

POOLED_SHARE: Final = 0.3
"""The share of a class's labels that are right is pulled so far towards that of all labels."""
MIN_SHARE: Final = 0.01
EM_STEPS: Final = 60
MOST_CELLS: Final = 200_000
"""Cells that are learned from, evenly spaced where there are more."""
SLOPE_RIDGE: Final = 1e-3
OFFSET_RIDGE: Final = 0.02
"""Penalty on the squared distance of the slope from 1, and, divided by the number of its real
cells, of a class's offset from that of all classes."""


def fit_evidence(odds: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """Learn from cells whose labels are right what log-odds of a label mean.

    The label of a cell is right, and each other one would be wrong; of each class, its own cells
    together count as much as all others.

    Parameters
    ----------
    odds : (P, C) float
        Of each class as the label of each cell.
    labels : (P,) int64

    Returns
    -------
    slope : float
    offsets : (C,) float64
        ``slope * odds + offsets`` are the log-odds that a label is right where half of them are.
        A class without cells has the offset of all classes.
    """
    odds, labels = _thin(odds).double(), _thin(labels)
    is_right = F.one_hot(labels, odds.shape[1]).double()
    counts = is_right.sum(dim=0)
    each = is_right / counts.clamp(min=1) + (1 - is_right) / (len(labels) - counts).clamp(min=1)
    weight = each * (counts > 0) / (counts > 0).sum().clamp(min=1) / 2
    found = odds.new_tensor([1.0, 0.0] + [0.0] * odds.shape[1]).requires_grad_()
    optimizer = torch.optim.LBFGS([found], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fitted = found[0] * odds + found[1] + found[2:]
        value = F.binary_cross_entropy_with_logits(fitted, is_right, weight, reduction="sum")
        value = value + SLOPE_RIDGE * (found[0] - 1).square()
        value = value + OFFSET_RIDGE * (found[2:].square() / (counts + 1)).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    slope, offset, *offsets = found.tolist()
    return max(0.0, slope), offset + odds.new_tensor(offsets)


def find_shares(evidence: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Find by expectation maximisation which share of the labels of each class is right.

    Parameters
    ----------
    evidence : (P,) float
        Log-odds that a label is right where half of them are.
    labels : (P,) int64

    Returns
    -------
    shares : (C,) float64
    """
    evidence, labels = _thin(evidence).double(), _thin(labels)
    counts = evidence.new_zeros(num_classes).index_add_(0, labels, torch.ones_like(evidence))
    shares = torch.full_like(counts, 0.5)
    for _ in range(EM_STEPS):
        posteriors = (evidence + shares.logit()[labels]).sigmoid()
        sums = torch.zeros_like(counts).index_add_(0, labels, posteriors)
        overall = sums.sum() / counts.sum().clamp(min=1)
        means = torch.where(counts > 0, sums / counts.clamp(min=1), overall)
        shares = means + POOLED_SHARE * (overall - means)
        shares = shares.clamp(MIN_SHARE, 1 - MIN_SHARE)
    return shares


def _thin(cells: Tensor) -> Tensor:
    """Take evenly spaced rows of a tensor, at most `MOST_CELLS`."""
    return cells[:: -(-len(cells) // MOST_CELLS) or 1]
