from __future__ import annotations

import pytest
import torch
from torch import nn

from curate.errors import RunError
from curate.models.capture import capture_outputs


def test_last_output_of_a_module_that_runs_twice_is_kept():
    layer = nn.Identity()

    with capture_outputs({"a": layer}) as captured:
        layer(torch.zeros(1, 1, 1, 1))
        layer(torch.ones(1, 1, 1, 1))

    assert captured["a"].item() == 1.0


def test_module_that_did_not_run_is_an_error():
    with (
        pytest.raises(RunError, match="'a' was not run"),
        capture_outputs({"a": nn.Identity()}),
    ):
        pass


@pytest.mark.parametrize(
    ("output", "seen"),
    [(torch.zeros(2, 5, 7), r"\(2, 5, 7\)"), ((torch.zeros(1, 1, 1, 1),), "tuple")],
)
def test_output_that_is_no_feature_map_is_an_error(output, seen):
    layer = nn.Identity()

    with (
        pytest.raises(RunError, match=rf"'a' \(Identity\) returned {seen}"),
        capture_outputs({"a": layer}),
    ):
        layer(output)

    assert not layer._forward_hooks


def test_block_that_stops_runs_nothing_beyond_the_last_module():
    layers = [nn.Identity(), nn.Identity(), nn.Identity()]
    ran = []
    layers[2].register_forward_hook(lambda *_: ran.append(2))

    with capture_outputs({"b": layers[1], "a": layers[0]}, stops=True) as captured:
        nn.Sequential(*layers)(torch.ones(1, 1, 1, 1))

    assert sorted(captured) == ["a", "b"]
    assert not ran
    assert not any(layer._forward_hooks for layer in layers[:2])
