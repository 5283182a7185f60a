from __future__ import annotations

from urllib.error import URLError

import pytest
import torch
from torchvision.models import mobilenet_v3_large

from curate.errors import ConfigError, RunError
from curate.models import build_segmenter
from curate.models.torchvision import STAGES, fetch_imagenet_weights

NAME = "lraspp_mobilenet_v3_large"
FILE = "mobilenet_v3_large-8738ca79.pth"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_args, **_settings):
        msg = "unreachable"
        raise URLError(msg)

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", STAGES)
def test_unreachable_weights_are_named_with_two_ways_out(cache, name):
    with pytest.raises(RunError, match=r"neither cached .* nor reachable at https://.*\.pth") as it:
        fetch_imagenet_weights(name)

    assert "set backbone_weights to its path" in str(it.value)
    assert "backbone_weights = 'none'" in str(it.value)


@pytest.mark.usefixtures("offline")
def test_cached_classifier_is_loaded_into_the_backbone(cache):
    torch.manual_seed(0)
    classifier = mobilenet_v3_large(weights=None)
    cache.mkdir(parents=True)
    torch.save(classifier.state_dict(), cache / FILE)

    segmenter = build_segmenter(NAME, 2)

    state = segmenter.network.backbone.state_dict()
    expected = classifier.features.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in state.items())


def test_download_is_checked_and_goes_to_the_cache(cache, monkeypatch):
    calls = []
    monkeypatch.setattr(
        torch.hub, "download_url_to_file", lambda *args, **kw: calls.append((args, kw))
    )

    path = fetch_imagenet_weights(NAME)

    url = f"https://download.pytorch.org/models/{FILE}"
    assert calls == [((url, str(cache / FILE), "8738ca79"), {"progress": False})]
    assert path == cache / FILE


def test_half_of_a_cached_file_is_an_error(cache):
    cache.mkdir(parents=True)
    torch.save(mobilenet_v3_large(weights=None).state_dict(), cache / FILE)
    whole = (cache / FILE).read_bytes()
    (cache / FILE).write_bytes(whole[: len(whole) // 2])

    with pytest.raises(ConfigError, match=f"{FILE} cannot be read"):
        build_segmenter(NAME, 2)


def test_local_file_of_another_network_is_an_error(tmp_path):
    torch.save(mobilenet_v3_large(weights=None).state_dict(), tmp_path / "w.pth")

    with pytest.raises(ConfigError, match=r"missing \(conv1.weight"):
        build_segmenter("fcn_resnet50", 2, str(tmp_path / "w.pth"))
