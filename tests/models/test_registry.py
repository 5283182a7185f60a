from __future__ import annotations

import sys

import pytest
import torch

import curate.models
from curate.errors import ConfigError
from curate.models import build_segmenter


def test_public_names():
    assert curate.models.__all__ == [
        "FoldedCopy", "Prediction", "Segmenter", "build_segmenter", "build_weighter",
        "fold_in_place",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["fcn_resnet", "", "smp", "smp:", ":x"])
def test_unknown_segmenter_lists_the_known_ones(name):
    with pytest.raises(ConfigError, match=r"efficientnet_lite0_fpn, .*package\.module:factory"):
        build_segmenter(name, 2)


def test_near_miss_is_pointed_out():
    with pytest.raises(ConfigError, match="Did you mean 'deeplabv3_resnet50'"):
        build_segmenter("deeplab_resnet50", 2)


SOURCE = """
import torch
from curate.models import Segmenter


def make(num_classes):
    net = torch.nn.Sequential()
    net.encoder = torch.nn.Conv2d(3, num_classes, 1)
    return net


def ready(num_classes):
    return Segmenter(make(num_classes), num_classes=num_classes, mean=(0.5,) * 3, std=(1.0,) * 3,
                     stages={}, backbone_prefixes=())


def text(num_classes):
    return "a network"


def breaks(num_classes):
    raise ZeroDivisionError


def other_name(classes):
    return make(classes)


number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "mynets.py").write_text(SOURCE)
    (tmp_path / "brokennets.py").write_text("def make(:")
    (tmp_path / "needynets.py").write_text("import not_there_at_all")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("mynets", "brokennets", "needynets"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("module")
class TestFactory:
    def test_network_of_the_working_directory_is_wrapped(self):
        segmenter = build_segmenter("mynets:make", 4)
        images = torch.rand(2, 3, 5, 7)

        assert torch.equal(segmenter(images).logits, segmenter.network.encoder(images))
        assert [round(g["lr"], 6) for g in segmenter.parameter_groups(3.0, 0.0)] == [1.0, 1.0]

    def test_segmenter_is_taken_as_it_is(self):
        assert build_segmenter("mynets:ready", 4).mean[0, 0, 0, 0] == 0.5

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("nowhere.at_all:make", "nowhere.at_all cannot be imported: No module named 'nowhere'"),
            ("needynets:make", "cannot be imported: No module named 'not_there_at_all'"),
            ("brokennets:make", "brokennets cannot be imported: "),
            ("..:make", r"\.\. cannot be imported"),
            ("mynets:nothing", "mynets has no such name; 'nothing' must be a function"),
            ("mynets:number", "mynets has a int there; 'number' must be"),
            ("mynets:other_name", r"called as other_name\(num_classes=...\).*'classes'"),
            ("builtins:dict", "no signature"),
            ("subprocess:run", "raised TypeError: "),
            ("torch.nn:Module", "raised TypeError: .*num_classes"),
            ("mynets:text", "mynets:text returned a str; required is a torch.nn.Module"),
        ],
    )
    def test_unfit_factory_is_described(self, name, message):
        with pytest.raises(ConfigError, match=message):
            build_segmenter(name, 4)

    def test_bug_inside_the_factory_is_told_with_its_line(self):
        with pytest.raises(ConfigError, match=r"raised ZeroDivisionError: .*nets\.py, line \d"):
            build_segmenter("mynets:breaks", 4)

    def test_weights_file_is_refused(self):
        with pytest.raises(ConfigError, match=r"'w\.pth' is of no effect on mynets:make"):
            build_segmenter("mynets:make", 4, "w.pth")

    def test_run_can_be_rebuilt_without_pretrained_weights(self):
        assert build_segmenter("mynets:make", 4, "none").num_classes == 4
