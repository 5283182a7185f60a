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
