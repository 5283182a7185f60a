"""What weighting networks are shown, and the statistics of features, worked out by hand."""

import pytest
import torch

from curate.methods.hierarchical.inputs import InputStack
from curate.records import Evidence


def evidence_of(num=1, **features):
    """Images of 4x8 pixels, or 1x2 cells, labelled 1 and ignored."""
    return Evidence(
        predictions=torch.tensor([0.25, 0.75]).view(1, 2, 1, 1).expand(num, 2, 1, 2),
        label_map=torch.tensor([[[1, 255]]]).expand(num, 1, 2),
        images=torch.full((num, 3, 4, 8), 0.75),
        is_real=torch.ones(num, dtype=torch.bool),
        keys=("k",) * num,
        features={name: torch.as_tensor(values) for name, values in features.items()},
    )


def constant(value, num=1, channels=1):
    return torch.full((num, channels, 1, 2), value)


def test_inputs_are_put_side_by_side_in_the_order_of_their_names():
    stack = InputStack(
        ("label", "deep", "predictions", "image"), num_classes=2, feature_channels={"deep": 3}
    )
    assert stack.num_channels == 2 + 3 + 2 + 48
    seen = stack(evidence_of(deep=constant(2.0, channels=3)))
    assert seen.shape == (1, 55, 1, 2)
    # named inputs come first, features last; before anything is gathered they are as they are
    assert seen[0, :, 0, 0].tolist() == pytest.approx([0, 1, 0.25, 0.75, *[0.5] * 48, 2, 2, 2])
    assert seen[0, :2, 0, 1].tolist() == [0, 0]


def test_statistics_are_those_of_all_cells():
    # one image of 2 cells at 1, three of 6 cells at 5: mean 4, variance (2 * 9 + 6 * 1) / 8
    stack = InputStack(("deep",), num_classes=2, feature_channels={"deep": 1})
    stack.gather(evidence_of(1, deep=constant(1.0)))
    assert (stack.count, stack.mean.item(), stack.variance.item()) == (2, 1, 0)
    stack.gather(evidence_of(3, deep=constant(5.0, num=3)))
    assert (stack.count, stack.mean.item(), stack.variance.item()) == (8, 4, 3)
    seen = stack(evidence_of(1, deep=constant(7.0)))
    assert seen.flatten().tolist() == pytest.approx([3 / 3.000001**0.5] * 2)
    assert seen.dtype == torch.float32
    buffers = (stack.count, stack.mean, stack.variance)
    assert {buffer.dtype for buffer in buffers} == {torch.float64}


def test_each_channel_of_each_stage_has_statistics_of_its_own():
    stack = InputStack(("a", "b"), num_classes=2, feature_channels={"a": 1, "b": 2})
    b = torch.tensor([[3.0, 5.0], [10.0, 10.0]]).view(1, 2, 1, 2)
    stack.gather(evidence_of(a=torch.tensor([0.0, 2.0]).view(1, 1, 1, 2), b=b))
    assert stack.mean.tolist() == [1, 4, 10]
    assert stack.variance.tolist() == [1, 1, 0]


def test_features_are_brought_to_the_grid_of_the_labels():
    stack = InputStack(("fine", "coarse"), num_classes=2, feature_channels={"fine": 1, "coarse": 1})
    fine = torch.tensor([[1.0, 3.0, 5.0, 9.0], [1.0, 3.0, 5.0, 9.0]]).view(1, 1, 2, 4)
    seen = stack(evidence_of(fine=fine, coarse=torch.full((1, 1, 1, 1), 4.0)))
    assert seen[0, :, 0].flatten().tolist() == pytest.approx([2, 7, 4, 4], rel=1e-5)


def test_stack_without_features_gathers_nothing():
    stack = InputStack(("predictions",), num_classes=2, feature_channels={})
    stack.gather(evidence_of())
    assert stack.count == 0
