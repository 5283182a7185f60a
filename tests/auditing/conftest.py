import numpy as np
import pytest

from curate.auditing.audited_images import RealImage
from tests.tiny import draw_pair


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    pairs = [draw_pair(rng, is_flat=False) for _ in range(6)]
    return [
        RealImage(f"r0:{i}", image.transpose(2, 0, 1).copy(), label_map, 1.0)
        for i, (image, label_map) in enumerate(pairs)
    ]
