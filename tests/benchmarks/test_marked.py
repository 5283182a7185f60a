"""Truth that is carried in labels is taken out of every label of a batch."""

import torch

from curate.records import Batch, Uncropped
from tests.benchmarks.marked import MARK, mark, unmark


def test_truth_is_taken_out_of_changed_and_uncropped_labels():
    labels = torch.tensor([[[0, 1], [2, 255]]], dtype=torch.uint8)
    corrupted = torch.tensor([[[True, False], [False, True]]])
    marked = mark(labels, corrupted)
    assert marked.tolist() == [[[MARK, 1], [2, 255]]]
    images = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    batch = Batch(
        images,
        marked,
        torch.tensor([False]),
        ("s0:a",),
        uncropped=Uncropped(images, marked, torch.zeros(1, 2, 3)),
    )
    found, truth = unmark(batch)
    assert torch.equal(found.label_map, labels)
    assert torch.equal(found.uncropped.label_map, labels)
    assert truth.tolist() == [[[True, False], [False, False]]]
