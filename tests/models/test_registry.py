from __future__ import annotations

import pytest

import curate.models
from curate.errors import ConfigError
from curate.models import build_segmenter


def test_public_names():
    assert curate.models.__all__ == [
        "SEGMENTERS",
        "WEIGHTERS",
        "ImageWeighter",
        "PixelWeighter",
        "Prediction",
        "RegionWeighter",
        "Segmenter",
        "build_segmenter",
        "build_weighter",
    ]


@pytest.mark.parametrize("name", ["fcn_resnet", "", "smp", "smp:", ":x"])
def test_unknown_segmenter_lists_the_known_ones(name):
    with pytest.raises(ConfigError, match=r"efficientnet_lite0_fpn, .*package\.module:factory"):
        build_segmenter(name, 2)


def test_near_miss_is_pointed_out():
    with pytest.raises(ConfigError, match="Did you mean 'deeplabv3_resnet50'"):
        build_segmenter("deeplab_resnet50", 2)
