from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.selection.making import BLOCK, LABELS, STREAMS, broken, with_streams, write_scores


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    for image_id, ids in LABELS.items():
        image = root / f"{image_id}.png"
        label = root / f"{image_id.replace('images', 'labels')}.png"
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 8)).save(image)
        blocks = np.array(ids, np.uint8)
        Image.fromarray(blocks.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)).save(label)
    return root


@pytest.fixture
def scores(tmp_path, root):
    return write_scores(tmp_path / "w.h5", root)


@pytest.fixture
def explained(tmp_path, root):
    """A score file with the maps of an active stream and of an inactive one."""
    images = [*map(with_streams, LABELS), broken()]
    return write_scores(tmp_path / "w.h5", root, images, **STREAMS, stream_maps=True)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "subset"


@pytest.fixture
def data(tmp_path):
    """Two files of a data set that hold their own paths."""
    root = tmp_path / "data"
    for path in ("x/a.jpg", "y/a.png"):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(path)
    return root
