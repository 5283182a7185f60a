"""Objects that are in the label only, or in the image only."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curate.corruptions.base import Corruption, Draw, ImageAndLabel
from curate.corruptions.spreading import spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.corruptions.scene import Scene


class MissingObject(Corruption):
    """Objects painted out with the texture around them, or given the class around them.

    `part` is the share of the wanted objects that is really taken; a draw does one of the two.
    """

    ranges: ClassVar = {"mild": {"part": (0.3, 0.5)}, "strong": {"part": (1, 1.4)}}
    parts_label: ClassVar = True
    is_regional: ClassVar = False

    def apply(self, scene: Scene, draw: Draw) -> ImageAndLabel:
        """Replace the objects by what is nearest to them."""
        rng = draw.rng()
        is_painted_out = rng.random() < 0.5
        gone = scene.pick_objects(rng, draw.share * draw.values["part"])
        origin = spread(scene.is_valid & ~gone, gone, steps=sum(gone.shape))
        if is_painted_out:
            return _mirror(scene.image, gone, origin), scene.label_map
        return scene.image, scene.label_map.ravel()[origin]


def _mirror(
    image: NDArray[np.uint8], gone: NDArray[np.bool_], origin: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Fill a hole with what lies as far outside as a pixel is inside.

    Where that is in a hole or outside the image, the nearest pixel at the edge does.
    """
    height, width = gone.shape
    rows, columns = np.nonzero(gone)
    edge_rows, edge_columns = np.divmod(origin[gone], width)
    far_rows = np.clip(2 * edge_rows - rows, 0, height - 1)
    far_columns = np.clip(2 * edge_columns - columns, 0, width - 1)
    is_hole = gone[far_rows, far_columns]
    far_rows = np.where(is_hole, edge_rows, far_rows)
    far_columns = np.where(is_hole, edge_columns, far_columns)
    filled = image.copy()
    filled[:, rows, columns] = image[:, far_rows, far_columns]
    return filled
