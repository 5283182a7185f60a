from __future__ import annotations

import sys

import pytest
import torch
from safetensors.torch import save_file

from curate.errors import ConfigError, RunError
from curate.models import build_segmenter


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)

    with pytest.raises(ConfigError, match=r"pip install 'curate-seg\[smp\]'"):
        build_segmenter("smp:Unet:resnet18", 2)


class TestInstalled:
    @pytest.fixture(autouse=True)
    def smp(self):
        return pytest.importorskip("segmentation_models_pytorch")

    @pytest.mark.parametrize("name", ["smp:Unett:resnet18", "smp:Unet", "smp:DPT:tu-vit"])
    def test_unknown_architecture_lists_the_known_ones(self, name):
        with pytest.raises(ConfigError, match=r"required is smp:ARCHITECTURE:ENCODER.*unet, "):
            build_segmenter(name, 2, "none")

    def test_unknown_encoder_names_the_nearest(self):
        with pytest.raises(ConfigError, match=r"'smp:Unet:resnet19' cannot be built.*resnet1"):
            build_segmenter("smp:Unet:resnet19", 2, "none")

    def test_unknown_timm_encoder_is_an_error(self):
        with pytest.raises(ConfigError, match="'smp:Unet:tu-nope' cannot be built"):
            build_segmenter("smp:Unet:tu-nope", 2, "none")

    def test_unreachable_weights_are_an_error_with_two_ways_out(self, smp, monkeypatch):
        def refuse(*_args, **_settings):
            msg = "no connection."
            raise FileNotFoundError(msg)

        monkeypatch.setattr(smp, "create_model", refuse)

        with pytest.raises(RunError, match=r"resnet18 are neither cached.*connection.*'none'"):
            build_segmenter("smp:Unet:resnet18", 2)

    def test_normalisation_of_the_pretrained_encoder_is_kept_in_the_state(self, smp, monkeypatch):
        create = smp.create_model
        settings = {"mean": [127.5, 0.0, 255.0], "std": [255.0, 51.0, 127.5]}
        monkeypatch.setattr(
            smp,
            "create_model",
            lambda *a, encoder_weights, **k: create(*a, encoder_weights=None, **k),
        )
        monkeypatch.setattr(
            smp.encoders, "get_preprocessing_params", lambda _: settings | {"input_range": [0, 255]}
        )

        pretrained = build_segmenter("smp:FPN:resnet18", 2)
        plain = build_segmenter("smp:FPN:resnet18", 2, "none")
        plain.load_state_dict(pretrained.state_dict())

        torch.testing.assert_close(plain.mean.flatten(), torch.tensor([0.5, 0.0, 1.0]))
        torch.testing.assert_close(plain.std.flatten(), torch.tensor([1.0, 0.2, 0.5]))

    def test_dilated_encoder_has_no_stage_of_stride_32(self):
        segmenter = build_segmenter("smp:DeepLabV3Plus:resnet18", 2, "none")

        assert list(segmenter.stages) == ["stride2", "stride4", "stride8", "stride16", "decoder"]

    def test_local_file_is_loaded_into_the_encoder(self, tmp_path):
        source = build_segmenter("smp:FPN:resnet18", 2, "none").network.encoder
        state = {name: tensor.contiguous() for name, tensor in source.state_dict().items()}
        save_file(state | {"fc.weight": torch.zeros(1)}, tmp_path / "w.safetensors")

        segmenter = build_segmenter("smp:Unet:resnet18", 2, str(tmp_path / "w.safetensors"))

        loaded = segmenter.network.encoder.state_dict()
        assert all(torch.equal(tensor, loaded[name]) for name, tensor in state.items())
