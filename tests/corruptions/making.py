"""An image of 8x8 pixels that corruptions are applied to, with parameters given by hand."""

import numpy as np

from curate.corruptions import CORRUPTIONS, LabelledImage
from curate.corruptions.corruption import Parameters

EVERYWHERE = np.ones((8, 8), bool)


def make_source(image=None, label_map=None, donor_label_map=None):
    """Ramps of grey by default: 10, 40, .. 220 from left to right; a donor of grey 200."""
    ramp = np.tile(np.arange(10, 250, 30, dtype=np.uint8), (3, 8, 1))
    zeros = np.zeros((8, 8), np.uint8)
    return LabelledImage(
        ramp if image is None else image,
        zeros if label_map is None else label_map,
        np.full((3, 8, 8), 200, np.uint8),
        zeros if donor_label_map is None else donor_label_map,
    )


def as_one_superpixel(source):
    """Spare an image its superpixels: all of it is one."""
    source.__dict__["superpixels"] = np.zeros(source.label_map.shape, np.int64)
    return source


def apply(name, source, *, mask=EVERYWHERE, seed=0, share=1.0, strength="strong", **values):
    """Apply a corruption with the given parameters."""
    return CORRUPTIONS[name].apply(source, Parameters(strength, mask, values, share, seed))


def with_object():
    """Class 1 in rows and columns 2 .. 4 of class 0."""
    label_map = np.zeros((8, 8), np.uint8)
    label_map[2:5, 2:5] = 1
    return label_map
