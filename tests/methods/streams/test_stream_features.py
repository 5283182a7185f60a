"""What the streams are shown of an image: its enlarged appearance, and what it is taken for."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from curate.methods.references import reference_log_probabilities
from curate.methods.streams import features
from curate.methods.streams.features import StreamFeatures, encode_appearance
from curate.models import build_segmenter
from tests.methods.streams.making import draw_images, make_method, make_preparation


class HalvingEncoder:
    """Its stages are the brightness of every second pixel, and the mean of 4x4 pixels."""

    def __init__(self):
        self.sizes = []

    def encode(self, images, stages):
        self.sizes.append(tuple(images.shape))
        maps = {"fine": images[:, :1, ::2, ::2], "coarse": F.avg_pool2d(images[:, 1:2], 4)}
        return {name: maps[name] for name in stages}


@pytest.mark.parametrize("enlarge", [1, 2, 3])
def test_encoder_is_shown_enlarged_images(enlarge):
    encoder = HalvingEncoder()
    images = torch.tensor([0.25, 0.75, 0.0])[:, None, None].expand(2, 3, 8, 12)
    seen = encode_appearance(encoder, images, ("fine", "coarse"), enlarge=enlarge)
    assert encoder.sizes == [(1, 3, 8 * enlarge, 12 * enlarge)] * 2
    assert seen.shape == (2, 2, 2, 3)
    assert torch.equal(seen[0, :, 1, 2].float(), torch.tensor([0.25, 0.75]))  # fine, coarse
    assert seen.dtype == torch.float16


def test_features_of_an_enlarged_image_come_from_few_pixels():
    # 4x8 pixels, a step of brightness in the middle: dark is the left cell, bright the right one
    images = torch.zeros(1, 3, 4, 8)
    images[..., 4:] = 1
    encoder = HalvingEncoder()
    assert encode_appearance(encoder, images, ("fine",), enlarge=1).tolist() == [[[[0, 1]]]]
    # Enlarged twice, columns 7 and 8 are 1/4 and 3/4; of the even columns 0, 2, 4, 6 nothing is
    # bright, and of 8, 10, 12, 14 the first is 3/4: (3/4 + 3) / 4
    assert encode_appearance(encoder, images, ("fine",), enlarge=2).tolist() == [[[[0, 15 / 16]]]]


@torch.no_grad()
@pytest.mark.parametrize("enlarge", [2, 3])
def test_large_images_are_encoded_in_strips_to_the_same_features(monkeypatch, enlarge):
    torch.manual_seed(0)
    encoder = build_segmenter("efficientnet_lite0_fpn", 2, "auto").eval()
    image, stages = torch.rand(1, 3, 136, 40), ("stride2", "stride4", "stride8")
    whole = encode_appearance(encoder, image, stages, enlarge=enlarge)
    heights = []
    encode = encoder.encode
    monkeypatch.setattr(
        encoder, "encode", lambda i, stages: (heights.append(i.shape[2]), encode(i, stages))[1]
    )
    monkeypatch.setitem(features.MAX_ENLARGED_PX, "cpu", 40 * 40 * enlarge**2)
    strips = encode_appearance(encoder, image, stages, enlarge=enlarge)
    assert heights == [rows * enlarge for rows in (64, 96, 96, 72, 40)]
    assert strips.shape == whole.shape == (1, 80, 34, 10)
    assert torch.allclose(strips, whole, rtol=2e-3, atol=2e-2)


def test_fewer_images_are_computed_together_where_they_are_large():
    assert [features.count_together(cells) for cells in (1, 2700, 2**15, 2**17, 2**20)] == [
        *(32, 32, 4, 1, 1)
    ]


def test_method_enlarges_as_it_was_set(monkeypatch):
    preparation = make_preparation(draw_images(2, "s0", is_real=False, seed=2))
    sizes = []
    for enlarge in (1, 3):
        method = make_method(preparation, enlarge=enlarge)
        encode = method.encoder.encode

        def watched(images, stages, encode=encode):
            sizes.append(images.shape[2:])
            return encode(images, stages)

        monkeypatch.setattr(method.encoder, "encode", watched)
        method._encode(preparation.synthetic.images[:1].float() / 255)
    assert sizes == [(32, 48), (96, 144)]


def test_reference_is_asked_for_probabilities_of_each_cell():
    # Two pixels of each cell have probability 3/4, two 1/4 of class 0; in the next cell all are
    # sure of class 1. Probabilities are averaged, not logits.
    half = math.log(3)
    logits = torch.zeros(1, 2, 4, 8)
    logits[:, 0, :2, :4], logits[:, 0, 2:, :4] = half, -half
    logits[:, 1, :, 4:] = 50.0
    found = reference_log_probabilities(
        lambda images: SimpleNamespace(logits=logits), torch.zeros(1, 3, 4, 8)
    )
    assert found.shape == (1, 2, 1, 2)
    assert found.dtype == torch.float16
    assert found[0, :, 0, 0].tolist() == pytest.approx([math.log(0.5)] * 2, abs=1e-3)
    # no probability is below a millionth
    assert found[0, :, 0, 1].tolist() == pytest.approx([math.log(1e-6), 0], abs=1e-2)


def make_features(*values):
    maps = torch.tensor(values).view(-1, 1, 1, 1)
    return StreamFeatures(maps.half(), -maps.half(), maps[:, 0].byte())


def test_features_of_several_are_put_into_one_and_picked_in_order():
    parts = [make_features(1.0, 2.0), make_features(255.0)]
    whole = parts[0].make_room(4)
    whole.put([2, 0], parts[0])
    whole.put(range(1, 2), parts[1])
    first = whole.first(3)
    assert len(first) == 3
    assert first.appearance.data_ptr() == whole.appearance.data_ptr()  # nothing is kept twice
    assert first.appearance.flatten().tolist() == [2, 255, 1]
    assert first.label_map.flatten().tolist() == [2, 255, 1]
    picked = first.take([1, 2])
    for part in (picked.appearance, -picked.log_predictions, picked.label_map):
        assert part.flatten().tolist() == [255, 1]
    assert picked.valid.flatten().tolist() == [False, True]
