import pytest
import torch

from curate.methods.hierarchical.inputs import InputStack, read_image, stage_names
from curate.records import Evidence


def evidence_of(features=None, height=8, width=8, num_classes=2):
    grid = (-(-height // 4), -(-width // 4))
    return Evidence(
        predictions=torch.full((2, num_classes, *grid), 1 / num_classes),
        label_map=torch.tensor([[[0, 1], [1, 255]]] * 2)[:, : grid[0], : grid[1]],
        images=torch.rand(2, 3, height, width),
        is_real=torch.tensor([True, False]),
        keys=("r0:a", "s0:b"),
        features=features or {},
    )


def test_ignored_labels_are_all_zero():
    channels = InputStack(("label",), num_classes=2, feature_channels={})(evidence_of())
    assert channels[0, :, 0, 1].tolist() == [0.0, 1.0]
    assert channels[0, :, 1, 1].tolist() == [0.0, 0.0]


def test_image_input_covers_every_pixel_also_of_odd_sizes():
    evidence = evidence_of(height=7, width=6)
    cells = read_image(evidence)
    assert cells.shape == (2, 48, 2, 2)
    # channel 0 of cell (1, 1) is the red pixel (4, 4)
    assert cells[0, 0, 1, 1] == evidence.images[0, 0, 4, 4] * 2 - 1


def test_names_that_are_no_inputs_are_stages():
    assert stage_names(("predictions", "stride4", "image")) == ("stride4",)


def test_gathered_statistics_standardise_over_several_batches():
    stack = InputStack(("stride4",), num_classes=2, feature_channels={"stride4": 3})
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(2, 3, 2, 2, generator=generator) * 5 + 7 for _ in range(4)]
    for batch in batches:
        stack.gather(evidence_of({"stride4": batch}))
    everything = torch.cat(batches).double()
    assert stack.mean.tolist() == pytest.approx(everything.mean(dim=(0, 2, 3)).tolist())
    assert stack.variance.tolist() == pytest.approx(
        everything.var(dim=(0, 2, 3), correction=0).tolist()
    )
    standardised = torch.cat([stack(evidence_of({"stride4": batch})) for batch in batches])
    assert standardised.mean().item() == pytest.approx(0, abs=1e-5)
    assert standardised.std(correction=0).item() == pytest.approx(1, abs=1e-3)


def test_finer_features_are_averaged_over_each_cell():
    features = torch.arange(16.0).view(1, 1, 4, 4).expand(2, 1, 4, 4)
    stack = InputStack(("stride2",), num_classes=2, feature_channels={"stride2": 1})
    seen = stack(evidence_of({"stride2": features}))
    expected = torch.tensor([[2.5, 4.5], [10.5, 12.5]])
    assert torch.allclose(seen[0, 0], expected, atol=1e-4)
