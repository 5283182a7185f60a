"""Controls keep the weights of each class, and lose which cell has which."""

import pytest
import torch

from curate.errors import ConfigError
from curate.methods import find_method
from curate.methods.controls import CONTROLS, controlled, invert, within_classes
from curate.methods.uniform import Uniform
from curate.records import Evidence

LABELS = torch.tensor([[[0, 0], [1, 255]], [[0, 1], [1, 1]]])
WEIGHTS = torch.tensor([[[9.0, 8.0], [7.0, 6.0]], [[0.5, 1.0], [2.0, 3.0]]])


def evidence():
    """One real image, then one synthetic."""
    return Evidence(
        predictions=torch.zeros(2, 2, 2, 2),
        label_map=LABELS,
        images=torch.zeros(2, 3, 8, 8),
        is_real=torch.tensor([True, False]),
        keys=("r0:a", "s0:b"),
    )


def test_the_largest_weight_goes_to_the_smallest():
    assert invert(torch.tensor([3.0, 1.0, 2.0])).tolist() == [1, 3, 2]


def test_inverted_weights_stay_in_their_class_and_real_images_untouched():
    changed = within_classes(WEIGHTS, evidence(), invert)
    assert (changed[0] == WEIGHTS[0]).all()
    # class 0 has one cell; class 1 has 1, 2, 3
    assert changed[1].tolist() == [[0.5, 3.0], [2.0, 1.0]]


@pytest.mark.parametrize("name", CONTROLS)
def test_each_class_keeps_its_weights(name):
    torch.manual_seed(1)
    changed = within_classes(WEIGHTS, evidence(), CONTROLS[name])
    for index in (0, 1):
        cells = LABELS[1] == index
        assert sorted(changed[1][cells].tolist()) == sorted(WEIGHTS[1][cells].tolist())
    assert not (changed == WEIGHTS).all()


def test_control_of_a_method_weighs_by_it_but_elsewhere():
    class Told(Uniform):
        def step(self, evidence, *, is_warmup):
            return WEIGHTS.clone(), {"ess": 0.5}

    method = controlled(Told, "inverted")()
    weights, metrics = method.step(evidence(), is_warmup=False)
    assert (weights[1, 0, 1], metrics) == (3.0, {"ess": 0.5})
    assert (method.step(evidence(), is_warmup=True)[0] == WEIGHTS).all()


def test_controls_are_found_by_name():
    assert issubclass(find_method("streams:permuted"), find_method("streams"))
    with pytest.raises(ConfigError, match="'streams:x' is unknown"):
        find_method("streams:x")
