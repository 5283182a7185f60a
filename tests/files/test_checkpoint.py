from __future__ import annotations

import errno
import json
import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from curate.errors import RunError, StoreError
from curate.files.checkpoint import load_state, pack, save_state, unpack

TENSORS = {
    "float32": torch.tensor([1.1, float("nan"), -0.0, float("inf"), 1e-45]),
    "float64": torch.tensor([[0.1]], dtype=torch.float64),
    "bfloat16": torch.tensor([1.5], dtype=torch.bfloat16),
    "int64": torch.tensor([2**62 + 1, -1]),
    "bool": torch.tensor([True, False]),
    "uint8": torch.tensor([0, 255], dtype=torch.uint8),
    "scalar": torch.tensor(3.0),
    "empty": torch.empty(0, 3),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.safetensors"


def is_same(a, b):
    as_bytes = [t.contiguous().reshape(-1).view(torch.uint8) for t in (a, b)]
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(*as_bytes)


def test_tensors_and_values_come_back_bit_for_bit(path):
    meta = {"step": 3, "loss": 0.1 + 0.2, "nan": math.nan, "big": 2**80, "rows": [{"a": None}]}
    save_state(path, TENSORS, meta)
    tensors, loaded = load_state(path)
    assert tensors.keys() == TENSORS.keys()
    assert all(is_same(tensors[name], TENSORS[name]) for name in TENSORS)
    assert math.isnan(loaded.pop("nan"))
    assert loaded == {key: value for key, value in meta.items() if key != "nan"}


def test_equal_states_are_equal_files(path, tmp_path):
    save_state(path, TENSORS, {"step": 1})
    for _ in range(5):
        save_state(tmp_path / "again", TENSORS, {"step": 1})
        assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_transposed_and_shared_tensors_can_be_saved(path):
    matrix = torch.arange(6.0).reshape(2, 3)
    save_state(path, {"a": matrix, "b": matrix, "c": matrix.T, "d": matrix[1]}, {})
    tensors, _ = load_state(path)
    assert torch.equal(tensors["b"], matrix)
    assert torch.equal(tensors["c"], matrix.T)
    assert torch.equal(tensors["d"], matrix[1])


def test_loaded_tensors_survive_the_replacement_of_the_file(path):
    save_state(path, {"a": torch.ones(1000)}, {})
    tensors, _ = load_state(path)
    save_state(path, {"a": torch.zeros(1000)}, {})
    assert tensors["a"].sum() == 1000
    tensors["a"].add_(1)
    assert tensors["a"].sum() == 2000
    assert load_state(path)[0]["a"].sum() == 0


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
def test_resumed_optimizer_takes_the_very_same_steps(path, name):
    def make():
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        options = {"momentum": 0.9} if name == "SGD" else {"betas": (0.9, 0.99)}
        return layer, getattr(torch.optim, name)(layer.parameters(), lr=0.1, **options)

    def step(layer, optimizer):
        optimizer.zero_grad()
        layer(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()

    layer, optimizer = make()
    step(layer, optimizer)
    tensors, layout = pack({"layer": layer.state_dict(), "optimizer": optimizer.state_dict()})
    save_state(path, tensors, {"layout": layout})
    step(layer, optimizer)
    resumed, resumed_optimizer = make()
    tensors, meta = load_state(path)
    state = unpack(tensors, meta["layout"])
    resumed.load_state_dict(state["layer"])
    resumed_optimizer.load_state_dict(state["optimizer"])
    step(resumed, resumed_optimizer)
    assert torch.equal(layer.weight, resumed.weight)
    assert optimizer.state_dict()["param_groups"] == resumed_optimizer.state_dict()["param_groups"]


def test_nested_structures_keep_their_types():
    tree = {0: [1, (2.5, None)], "a": {"b": True, 3: "x"}, "t": torch.ones(1), "e": [], "d": {}}
    tensors, layout = pack(tree)
    result = unpack(tensors, json.loads(json.dumps(layout)))
    assert torch.equal(result.pop("t"), tree.pop("t"))
    assert result == tree
    assert isinstance(result[0][1], tuple)


def test_objects_cannot_be_packed():
    with pytest.raises(TypeError, match="set cannot be saved"):
        pack({"a": {1}})


@pytest.mark.parametrize(
    "layout", [None, [], ["tensor", "none"], ["what", 1], ["dict", [1]], ["list", 3]]
)
def test_layouts_of_something_else_are_refused(layout):
    with pytest.raises(RunError, match="a saved state is incomplete"):
        unpack({}, layout)


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9, 0.999])
def test_truncated_files_are_refused(path, share):
    save_state(path, TENSORS, {"a": 1})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RunError, match=r"state\.safetensors cannot be read"):
        load_state(path)


def write_foreign(path, header):
    save_file({"a": torch.ones(1)}, path, metadata=header)


def test_missing_and_foreign_files_are_refused(path):
    with pytest.raises(RunError, match="does not exist"):
        load_state(path)
    for header in (None, {"other": "1"}):
        write_foreign(path, header)
        with pytest.raises(RunError, match="is no saved state of curate"):
            load_state(path)


def test_newer_file_is_refused_naming_both_versions(path):
    write_foreign(path, {"curate-state": '{"format_version": 3, "meta": {}}'})
    with pytest.raises(RunError, match=r"version 3; this curate reads versions up to 2\."):
        load_state(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": 2, "meta": []}', "[" * 9_999])
def test_damaged_values_are_refused(path, text):
    write_foreign(path, {"curate-state": text})
    with pytest.raises(RunError, match="cannot be read"):
        load_state(path)


def test_full_disk_keeps_the_old_checkpoint(path, monkeypatch):
    save_state(path, {"a": torch.ones(1)}, {"step": 1})

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", fail)
        with pytest.raises(StoreError, match="No space left on device"):
            save_state(path, {"a": torch.zeros(1)}, {"step": 2})
    tensors, meta = load_state(path)
    assert meta == {"step": 1}
    assert tensors["a"] == 1
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.99])
def test_a_single_flipped_bit_is_refused(path, share):
    save_state(
        path, {"a": torch.arange(999.0), "b": torch.ones((), dtype=torch.bfloat16)}, {"s": 1}
    )
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"its SHA-256 differs|cannot be read"):
        load_state(path)


@pytest.mark.parametrize("change", ["meta", "name", "shape", "checksum"])
def test_whatever_is_changed_after_saving_is_refused(path, change):
    save_state(path, {"a": torch.ones(2, 3), "b": torch.zeros(2, 3)}, {"step": 4})
    with safe_open(path, framework="pt") as file:
        tensors, header = {n: file.get_tensor(n) for n in ("a", "b")}, dict(file.metadata())
    table = json.loads(header["curate-state"])
    if change == "meta":
        table["meta"]["step"] = 5
    if change == "checksum":
        del table["sha256"]
    if change == "name":
        tensors = {"a": tensors["b"], "b": tensors["a"]}
    if change == "shape":
        tensors["a"] = tensors["a"].reshape(3, 2)
    save_file(tensors, path, metadata={"curate-state": json.dumps(table)})
    with pytest.raises(RunError, match="its SHA-256 differs"):
        load_state(path)
