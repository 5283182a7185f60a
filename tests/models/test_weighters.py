from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from curate.errors import ConfigError
from curate.models.weighters import (
    WEIGHTERS,
    ImageWeighter,
    RegionTrunk,
    RegionWeighter,
    build_weighter,
)

LEVELS = tuple(WEIGHTERS)


def make_weighter(level: str, num_channels: int = 2, depth: int = 2) -> nn.Module:
    """A small network whose last layer is no longer zero."""
    torch.manual_seed(0)
    weighter = build_weighter(level, 3, num_channels, width=4, depth=depth)
    nn.init.normal_(weighter.head.weight)
    nn.init.normal_(weighter.head.bias)
    return weighter.eval()


def all_valid(inputs: Tensor) -> Tensor:
    return torch.ones(inputs.shape[0], *inputs.shape[2:], dtype=torch.bool)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (8, 8), (9, 13), (45, 60)])
@pytest.mark.parametrize("depth", [1, 3, 5])
def test_logits_lie_on_the_grid_of_the_inputs(level, size, depth):
    inputs = torch.rand(2, 3, *size)

    logits = make_weighter(level, depth=depth)(inputs, all_valid(inputs))

    assert logits.shape == (2, 2, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize("level", LEVELS)
def test_untrained_network_scores_one_half(level):
    inputs = torch.rand(2, 3, 9, 7)

    logits = build_weighter(level, 3, 2)(inputs, all_valid(inputs))

    assert logits.eq(0).all()


@pytest.mark.parametrize("level", LEVELS)
def test_untrained_network_can_learn(level):
    inputs = torch.rand(2, 3, 9, 7)
    weighter = build_weighter(level, 3, 1)

    (weighter(inputs, all_valid(inputs)) - 1).square().mean().backward()

    assert weighter.head.weight.grad.abs().max() > 0


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size", [(5, 3), (1, 1)])
def test_gradients_agree_with_finite_differences(level, size):
    weighter = make_weighter(level).double()
    inputs = torch.rand(2, 3, *size, dtype=torch.float64, requires_grad=True)
    valid = all_valid(inputs)
    valid[0, 0, 0] = False

    def run(inputs: Tensor, *parameters: Tensor) -> Tensor:
        names = [name for name, _ in weighter.named_parameters()]
        return torch.func.functional_call(
            weighter, dict(zip(names, parameters, strict=True)), (inputs, valid)
        )

    assert torch.autograd.gradcheck(run, (inputs, *weighter.parameters()))


@pytest.mark.parametrize(("depth", "field"), [(1, 4), (2, 10), (3, 22), (4, 46), (5, 94)])
def test_receptive_field_of_the_trunk(depth, field):
    torch.manual_seed(0)
    inputs = torch.rand(1, 1, 192, 192, dtype=torch.float64, requires_grad=True)
    cell = 96 // 2**depth

    RegionTrunk(1, 4, depth).double()(inputs)[0, :, cell, cell].sum().backward()

    rows, columns = inputs.grad[0, 0].nonzero(as_tuple=True)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == field
    # the field is centred on the 2^depth input cells that lie under the trunk's cell
    margin = (field - 2**depth) // 2
    assert rows.min() == columns.min() == 96 - margin


def test_pixel_level_sees_single_cells():
    weighter = make_weighter("pixel")
    inputs = torch.rand(1, 3, 4, 4)
    changed = inputs.clone()
    changed[0, :, 1, 2] += 1

    moved = weighter(inputs, all_valid(inputs)) != weighter(changed, all_valid(inputs))

    assert moved[0].any(dim=0).nonzero().tolist() == [[1, 2]]


def test_context_level_sees_ten_cells_to_every_side():
    weighter = make_weighter("context", num_channels=1).double()
    inputs = torch.rand(1, 3, 41, 41, dtype=torch.float64, requires_grad=True)

    weighter(inputs, all_valid(inputs))[0, 0, 20, 20].backward()

    rows, columns = inputs.grad[0].abs().sum(dim=0).nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 30, 10, 30)


def test_context_level_drops_channels_only_while_it_learns():
    weighter = make_weighter("context", num_channels=1)
    inputs = torch.rand(1, 3, 5, 5)
    still = [weighter(inputs, all_valid(inputs)) for _ in range(2)]
    weighter.train()
    learning = [weighter(inputs, all_valid(inputs)) for _ in range(20)]

    assert torch.equal(*still)
    assert any(not torch.equal(logits, still[0]) for logits in learning)


def test_trunk_halves_and_repeats_edges():
    trunk = RegionTrunk(1, 1, 1)
    nn.init.ones_(trunk[0].conv.weight)
    nn.init.zeros_(trunk[0].conv.bias)

    # one row 1 2 4, repeated to 4 rows of 1 1 2 4 4 4: the two windows hold 1 1 2 4 and 2 4 4 4
    assert trunk(torch.tensor([1.0, 2.0, 4.0]).view(1, 1, 1, 3)).tolist() == [[[[32.0, 56.0]]]]


def test_constant_inputs_give_constant_region_logits():
    inputs = torch.full((1, 3, 11, 7), 0.3)

    logits = make_weighter("region", num_channels=1)(inputs, all_valid(inputs))

    torch.testing.assert_close(logits, logits[:, :, :1, :1].expand_as(logits))


def test_region_logits_lie_over_the_cells_they_come_from():
    weighter = RegionWeighter(1, 1, width=1, depth=1)
    for layer in (weighter.trunk[0].conv, weighter.head):
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)
    inputs = torch.zeros(1, 1, 2, 5)
    inputs[..., 4] = 1.0

    logits = weighter(inputs, all_valid(inputs))

    # windows over 0 0 0 0 0 1 1 1 (edges repeated), 4 rows high, hold 0, 4, 12;
    # doubled with weights 1/4 and 3/4: 0, 1, 3, 6, 10 and a sixth that is cut off
    assert logits[0, 0].tolist() == [[0.0, 1.0, 3.0, 6.0, 10.0]] * 2


def test_image_logit_is_the_mean_over_valid_cells():
    weighter = ImageWeighter(1, 1, width=1, depth=1)
    nn.init.zeros_(weighter.trunk[0].conv.weight)
    weighter.trunk[0].conv.weight.data[0, 0, 1, 1] = 1.0  # the upper left cell of each block
    nn.init.zeros_(weighter.trunk[0].conv.bias)
    nn.init.ones_(weighter.head.weight)
    nn.init.constant_(weighter.head.bias, 0.5)
    inputs = torch.tensor([[1.0, 9.0, 2.0], [9.0, 9.0, 9.0], [6.0, 9.0, 50.0]]).view(1, 1, 3, 3)
    valid = torch.tensor([[1, 0, 1], [1, 0, 0], [1, 0, 0]], dtype=torch.bool)[None]

    # blocks give 1 2 / 6 50, with 2 1 / 1 0 valid cells: (2*1 + 2 + 6) / 4 + .5
    assert weighter(inputs, valid).tolist() == [[[[3.0] * 3] * 3]]


def test_single_valid_cell_decides_alone():
    weighter = make_weighter("image", num_channels=1)
    inputs = torch.rand(1, 3, 8, 8)
    valid = torch.zeros(1, 8, 8, dtype=torch.bool)
    valid[0, 5, 2] = True  # under cell (1, 0) of the trunk

    expected = weighter.head(weighter.trunk(inputs)[0, :, 1, 0])

    torch.testing.assert_close(weighter(inputs, valid)[0, :, 0, 0], expected)


def test_image_level_ignores_cells_that_no_valid_block_sees():
    weighter = make_weighter("image")
    inputs = torch.rand(1, 3, 4, 24)
    valid = all_valid(inputs)
    valid[..., 4:] = False
    changed = inputs.clone()
    changed[..., 7:] = 100.0  # the first block, cells 0 .. 3, sees up to 3 cells beyond

    assert torch.equal(weighter(inputs, valid), weighter(changed, valid))


def test_image_without_valid_cells_gets_the_bias():
    weighter = make_weighter("image")
    inputs = torch.rand(2, 3, 5, 6)
    valid = torch.zeros(2, 5, 6, dtype=torch.bool)
    valid[1] = True

    logits = weighter(inputs, valid)

    assert torch.equal(logits[0, :, 0, 0], weighter.head.bias)
    assert logits.isfinite().all()


def test_images_of_a_batch_do_not_mix():
    inputs = torch.rand(2, 3, 9, 7)
    for level in LEVELS:
        weighter = make_weighter(level)
        together = weighter(inputs, all_valid(inputs))
        alone = weighter(inputs[1:], all_valid(inputs[1:]))
        torch.testing.assert_close(together[1:], alone)


def test_initialisation_depends_on_the_seed_alone():
    for level in LEVELS:
        states = []
        for _ in range(2):
            torch.manual_seed(3)
            states.append(build_weighter(level, 3, 2).state_dict())
            torch.rand(5)
        assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_trunk_doubles_its_channels_up_to_the_width():
    assert [m.conv.out_channels for m in RegionTrunk(200, 64, 4)] == [16, 16, 32, 64]
    assert [m.conv.out_channels for m in RegionTrunk(200, 8, 2)] == [8, 8]


def test_unknown_level_lists_the_levels():
    with pytest.raises(ConfigError, match=r"level 'regions'.*image, region, pixel.*'region'"):
        build_weighter("regions", 3, 1)
