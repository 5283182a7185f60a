from __future__ import annotations

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from curate.errors import ConfigError
from curate.models.pretrained import load_backbone, read_state_dict


class Marker:
    """Leaves a file behind when unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def make_layer(value: float) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(2)
    nn.init.constant_(layer.weight, value)
    return layer


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_state_dict_is_read_back(tmp_path, name):
    state = make_layer(3.0).state_dict()
    (save_file if name.endswith("s") else torch.save)(state, tmp_path / name)

    assert read_state_dict(tmp_path / name)["weight"].tolist() == [3.0, 3.0]


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.pth is not a file.*'auto' or 'none'"):
        read_state_dict(tmp_path / "nothing.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("size", [0, 5, 60, 0.5, 0.9])
def test_truncated_file_is_an_error(tmp_path, name, size):
    path = tmp_path / name
    (save_file if name.endswith("s") else torch.save)(make_layer(3.0).state_dict(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: size if isinstance(size, int) else int(len(whole) * size)])

    with pytest.raises(ConfigError, match=rf"{name} cannot be read"):
        read_state_dict(path)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_junk_is_an_error(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x80\x02" + bytes(range(256)) * 8)

    with pytest.raises(ConfigError, match=rf"{name} cannot be read"):
        read_state_dict(path)


def test_nothing_is_unpickled(tmp_path):
    path, trace = tmp_path / "w.pth", tmp_path / "trace"
    torch.save({"weight": Marker(str(trace))}, path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_state_dict(path)
    path.write_bytes(pickle.dumps(Marker(str(trace))))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_state_dict(path)

    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ([torch.zeros(1)], "holds list"),
        ({"epoch": 3, "model": {}}, "holds keys epoch, model"),
        ({3: torch.zeros(1)}, "holds keys 3"),
    ],
)
def test_file_without_named_tensors_is_an_error(tmp_path, content, seen):
    torch.save(content, tmp_path / "w.pth")

    with pytest.raises(ConfigError, match=seen):
        read_state_dict(tmp_path / "w.pth")


@pytest.mark.parametrize("prefix", ["", "features."])
def test_weights_are_loaded_with_and_without_prefix(prefix):
    state = {prefix + name: tensor for name, tensor in make_layer(3.0).state_dict().items()}
    state["classifier.weight"] = torch.zeros(1)
    layer = make_layer(1.0)

    load_backbone(layer, state, source="it", prefixes=("features.",), ignored=("classifier.",))

    assert layer.weight.tolist() == [3.0, 3.0]


def test_step_counter_may_be_missing():
    state = make_layer(3.0).state_dict()
    del state["num_batches_tracked"]
    layer = make_layer(1.0)

    load_backbone(layer, state, source="it")

    assert layer.weight.tolist() == [3.0, 3.0]


def test_every_difference_is_named():
    state = make_layer(3.0).state_dict()
    del state["running_mean"]
    state["scale"] = state.pop("running_var")
    state["bias"] = torch.zeros(3)

    with pytest.raises(ConfigError) as caught:
        load_backbone(make_layer(1.0), state, source="it")

    text = str(caught.value)
    assert "2 missing (running_mean, running_var)" in text
    assert "1 unexpected (scale)" in text
    assert "1 of another shape (bias (3,) instead of (2,))" in text


def test_nothing_is_loaded_where_something_differs():
    layer = make_layer(1.0)

    with pytest.raises(ConfigError, match="it does not fit BatchNorm2d"):
        load_backbone(layer, {"weight": torch.full((2,), 3.0)}, source="it")

    assert layer.weight.tolist() == [1.0, 1.0]
