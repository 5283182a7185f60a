"""What is known of an image and its label once they were looked at, whatever the ids mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from curate import records

if TYPE_CHECKING:
    from curate.data.dataset import DataSource

Side = Literal["real", "synthetic", "test", ""]

MAX_COLOURS: Final = 256
"""Different colours of a label that are kept, the most frequent first."""


class Stamp(NamedTuple):
    """Sizes and times of change of both files; -1 where one is missing. Same stamp, same facts."""

    image_bytes: int
    image_ns: int
    label_bytes: int
    label_ns: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen of one pair.

    Attributes
    ----------
    image_path, label_path : str
        As in `records.Pair`.
    is_deep : bool
        Whether the pixels of the image were looked at, not only its header and checksums.
    code, message : str
        ``ok``, or what keeps the pair from being read, whatever its ids mean.
    height, width : int
        Of the image.
    orientation : int
        Its EXIF orientation, 1 = upright.
    image_bits : int
        Bits of a sample of the image.
    digest : str
        16 hexadecimal digits that equal files have in common.
    phash : str
        Perceptual hash of the image, 16 hexadecimal digits; empty if not `is_deep`.
    thumbnail : str
        Its grey 16x16 thumbnail, 512 hexadecimal digits.
    spread : float
        Standard deviation of the grey of its thumbnail of 64 pixels; -1 if not `is_deep`.
    label_kind : str
        ``grey``, ``palette`` or ``colour``.
    label_bits : int
    ids : dict of int to int
        Pixels of each value of the first channel: ids, of a palette PNG its indices.
    num_edges : int
        Pixels whose left and right neighbours differ by 2 or more, in some rows of the first
        channel.
    between : dict of int to int
        Of these, how many have each value that lies strictly between those of their neighbours.
    num_beyond : int
        Pixels of these rows whose value lies above or below both: of noise most, of blends few.
    palette : dict of int to str
        Colour ``#rrggbb`` of each index that occurs.
    colours : dict of str to int
        Pixels of each colour, for labels in colour of 8 bits that are not grey.
    num_colours : int
        How many there are; more than `MAX_COLOURS` are not kept.
    """

    image_path: str
    label_path: str
    stamp: Stamp
    is_deep: bool = False
    code: str = records.OK
    message: str = ""
    height: int = 0
    width: int = 0
    orientation: int = 1
    image_bits: int = 8
    digest: str = ""
    phash: str = ""
    thumbnail: str = ""
    spread: float = -1.0
    label_kind: Literal["grey", "palette", "colour"] = "grey"
    label_bits: int = 8
    ids: dict[int, int] = field(default_factory=dict)
    num_edges: int = 0
    between: dict[int, int] = field(default_factory=dict)
    num_beyond: int = 0
    palette: dict[int, str] = field(default_factory=dict)
    colours: dict[str, int] = field(default_factory=dict)
    num_colours: int = 0

    @property
    def is_readable(self) -> bool:
        """Whether both files could be read and fit each other."""
        return self.code == records.OK

    @property
    def num_pixels(self) -> int:
        """Pixels of the label."""
        return sum(self.ids.values())


@dataclass(frozen=True, slots=True)
class Survey:
    """A data set that was looked at.

    Attributes
    ----------
    facts : tuple of Facts
        As many as ``source.pairs``, in the same order.
    side : str
        ``real``, ``synthetic`` or ``test``; empty where it is not known.
    """

    source: DataSource
    facts: tuple[Facts, ...]
    side: Side = ""

    @property
    def name(self) -> str:
        """Return what messages call the data set."""
        return str(self.source.root)

    def readable(self) -> list[Facts]:
        """List the pairs that could be read."""
        return [facts for facts in self.facts if facts.is_readable]
