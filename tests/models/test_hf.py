from __future__ import annotations

import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from curate.errors import ConfigError, RunError
from curate.models import build_segmenter


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)

    with pytest.raises(ConfigError, match=r"pip install 'curate-seg\[hf\]'"):
        build_segmenter("hf:some/model", 2)


class TestInstalled:
    @pytest.fixture(autouse=True)
    def _offline(self, monkeypatch):
        pytest.importorskip("transformers")
        constants = pytest.importorskip("huggingface_hub").constants
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    @pytest.fixture
    def folder(self, tmp_path):
        import transformers

        torch.manual_seed(0)
        config = transformers.SegformerConfig(
            depths=[1] * 4,
            hidden_sizes=[8, 8, 16, 16],
            num_attention_heads=[1, 1, 2, 2],
            decoder_hidden_size=16,
            num_labels=7,
        )
        transformers.SegformerForSemanticSegmentation(config).save_pretrained(tmp_path / "model")
        return tmp_path / "model"

    def test_checkpoint_is_loaded_but_for_its_classifier(self, folder):
        saved = load_file(folder / "model.safetensors")

        segmenter = build_segmenter(f"hf:{folder}", 3)

        head = segmenter.network.decode_head
        assert torch.equal(head.linear_fuse.weight, saved["decode_head.linear_fuse.weight"])
        assert head.classifier.weight.shape == (3, 16, 1, 1)
        assert all(module.training for module in segmenter.modules())

    def test_random_weights_need_the_configuration_only(self, folder):
        (folder / "model.safetensors").unlink()

        assert build_segmenter(f"hf:{folder}", 3, "none").num_classes == 3

    def test_weights_file_is_refused(self, folder):
        with pytest.raises(ConfigError, match=r"'w\.pth' is of no effect on hf:"):
            build_segmenter(f"hf:{folder}", 3, "w.pth")

    def test_normalisation_is_read_from_the_folder(self, folder):
        settings = {"image_mean": [0.5, 0.25, 0.0], "image_std": [0.5, 1, 2]}
        (folder / "preprocessor_config.json").write_text(json.dumps(settings))

        segmenter = build_segmenter(f"hf:{folder}", 3, "none")

        assert segmenter.mean.flatten().tolist() == [0.5, 0.25, 0.0]
        assert segmenter.std.flatten().tolist() == [0.5, 1.0, 2.0]

    @pytest.mark.parametrize("std", [[0.0, 1.0, 1.0], [1.0], "abc", [None] * 3])
    def test_absurd_normalisation_is_an_error(self, folder, std):
        (folder / "preprocessor_config.json").write_text(json.dumps({"image_std": std}))

        with pytest.raises(ConfigError, match=f"hf:{folder}' cannot be loaded"):
            build_segmenter(f"hf:{folder}", 3, "none")

    @pytest.mark.parametrize(
        "config",
        [
            '{"model_type": "segf',
            '{"model_type": "bert"}',
            '{"model_type": "segformer", "depths": 3}',
        ],
    )
    def test_unfit_configuration_is_an_error(self, folder, config):
        (folder / "config.json").write_text(config)

        with pytest.raises(ConfigError, match="Required is a semantic segmentation model"):
            build_segmenter(f"hf:{folder}", 3)

    def test_truncated_weights_are_an_error(self, folder):
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:5000])

        with pytest.raises(ConfigError, match="cannot be loaded"):
            build_segmenter(f"hf:{folder}", 3)

    def test_backbone_that_lost_a_tensor_is_an_error(self, folder):
        path = folder / "model.safetensors"
        state = load_file(path)
        del state[next(name for name in state if name.startswith("segformer."))]
        save_file(state, path, metadata={"format": "pt"})

        with pytest.raises(ConfigError, match="1 tensors of its backbone are missing"):
            build_segmenter(f"hf:{folder}", 3)

    def test_pickled_weights_are_not_read(self, folder):
        state = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        torch.save(state, folder / "pytorch_model.bin")

        with pytest.raises(ConfigError, match="cannot be loaded"):
            build_segmenter(f"hf:{folder}", 3)

    def test_code_of_a_model_is_not_run(self, folder):
        config = {"model_type": "own", "auto_map": {"AutoConfig": "code.Config"}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "code.py").write_text("raise SystemExit")

        with pytest.raises(ConfigError, match="cannot be loaded"):
            build_segmenter(f"hf:{folder}", 3)

    def test_name_that_is_neither_folder_nor_reachable(self):
        with pytest.raises(RunError, match="'hf:no/where': there is no such folder"):
            build_segmenter("hf:no/where", 3)
