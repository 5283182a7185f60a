"""From the ids in label files to class indices."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from curate import errors, records
from curate.data.colours import WHITE, Colour, number_colours, split_numbers, to_hex, to_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

UNMAPPED: Final = 254
"""What an id that is neither mapped nor ignored becomes until it is reported; never a class."""

_NUM_IDS: Final = 2**16
_NUM_COLOURS: Final = 2**24
_NUM_COMPARED: Final = 4096
"""Colours that are compared with the known ones at a time."""
_NUM_LISTED: Final = 10
"""Unmapped ids, or colours, that a message names."""


@dataclass(frozen=True)
class IdMap:
    """What each raw id, or colour, of a label file stands for.

    Attributes
    ----------
    name : str
        Name of the built-in map, or path of the file.
    ids : mapping of int to int
        Raw id, 0 .. 65535 -> class index.
    ignored : frozenset of int
        Raw ids that are known and have no class.
    colours : mapping of (int, int, int) to int
        Red, green, blue -> class index, for labels in colour.
    ignored_colours : frozenset of (int, int, int)
    unmapped : str
        ``error`` or ``ignore``: what any other id or colour is; ``nearest``: another colour is what
        the nearest known one is, unless it is further from it than `max_distance`: then it is
        ignored, and another id is an error.
    max_distance : float
        Largest Euclidean distance in RGB, 0 .. 442, for ``nearest``.
    channel : str
        ``first`` if the id is in the first channel of labels in colour, else ``auto``.
    """

    name: str
    ids: Mapping[int, int]
    ignored: frozenset[int] = frozenset({records.IGNORE_INDEX})
    colours: Mapping[Colour, int] | None = None
    ignored_colours: frozenset[Colour] = frozenset({WHITE})
    unmapped: Literal["error", "ignore", "nearest"] = "error"
    channel: Literal["auto", "first"] = "auto"
    max_distance: float = 60.0

    def apply(self, raw: NDArray[Any]) -> NDArray[np.uint8]:
        """Look up every pixel.

        Parameters
        ----------
        raw : (H, W) uint8 or uint16, or (H, W, 3) uint8
            Ids, or colours.

        Returns
        -------
        label_map : (H, W) uint8
            Class indices, 255 = ignore.

        Raises
        ------
        LabelError
            With code ``unmapped_ids``, if an id is neither mapped nor ignored; the message lists
            the ids and their pixel counts.
        """
        keys = np.ascontiguousarray(raw) if raw.ndim == 2 else number_colours(raw)
        label_map: NDArray[np.uint8]
        if keys.dtype == np.uint8:  # many times faster than NumPy's ways
            found = bytearray(keys).translate(self._byte_table)
            label_map = np.frombuffer(found, np.uint8).reshape(keys.shape)
        else:
            table = self._id_table if raw.ndim == 2 else self._colour_table
            label_map = table.take(keys) - 2  # 0 and 1 wrap to 254 and 255
        unknown = label_map == UNMAPPED
        if not unknown.any():
            return label_map
        if raw.ndim == 2 or self.unmapped != "nearest":
            raise self._make_unmapped_error(keys, unknown, is_colour=raw.ndim == 3)
        others, inverse = np.unique(keys[unknown], return_inverse=True)
        label_map[unknown] = self.find_nearest(split_numbers(others))[inverse]
        return label_map

    def find_nearest(self, colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Find what the nearest known colour is: (N, 3) uint8 -> (N,) class index, 255 = ignore.

        Of equally near ones the first takes it, mapped ones in their order, then ignored ones.
        """
        mapped = self.colours or {}
        ignored = sorted(self.ignored_colours.difference(mapped))
        known = np.array([*mapped, *ignored], np.float32)
        indices = np.array([*mapped.values(), *[records.IGNORE_INDEX] * len(ignored)], np.uint8)
        found = np.empty(len(colours), np.uint8)
        for start in range(0, len(colours), _NUM_COMPARED):
            part = colours[start : start + _NUM_COMPARED].astype(np.float32)
            distances = np.square(part[:, None] - known[None]).sum(axis=2)
            nearest = distances.argmin(axis=1)
            is_near = distances.min(axis=1) <= self.max_distance**2
            found[start : start + _NUM_COMPARED] = np.where(
                is_near, indices[nearest], records.IGNORE_INDEX
            )
        return found

    def choose_ignore_id(self) -> int:
        """Return an id of at most 8 bits that is read as ignore.

        Raises
        ------
        LabelError
            With code ``no_ignore_id``, if there is none.
        """
        unused = set(range(256)).difference(self.ids) if self.unmapped == "ignore" else set()
        known = {value for value in self.ignored if value < 256}
        if not known | unused:
            raise self._make_no_ignore_error()
        return max(known or unused)

    def choose_ignore_colour(self) -> Colour:
        """Return a colour that is read as ignore.

        Raises
        ------
        LabelError
            With code ``no_ignore_id``, if there is none.
        """
        if self.ignored_colours:
            return max(self.ignored_colours)
        if self.unmapped == "error":
            raise self._make_no_ignore_error()
        taken = {to_number(colour) for colour in self.colours or ()}
        free = next(key for key in range(_NUM_COLOURS - 1, -1, -1) if key not in taken)
        return free >> 16, free >> 8 & 255, free & 255

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, the same for the same map."""
        return {
            "name": self.name,
            "ids": {str(raw): self.ids[raw] for raw in sorted(self.ids)},
            "ignored": sorted(self.ignored),
            "colours": {to_hex(c): self.colours[c] for c in sorted(self.colours or ())}
            if self.colours
            else {},
            "ignored_colours": sorted(map(to_hex, self.ignored_colours)),
            "unmapped": self.unmapped,
            "channel": self.channel,
        } | ({"max_distance": self.max_distance} if self.unmapped == "nearest" else {})

    def __getstate__(self) -> dict[str, Any]:
        """Leave the tables out: with them the map does not fit into the buffer of a pipe.

        `multiprocessing` would then wait until a process that it starts has read it, and without
        end if that process dies before.
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _id_table(self) -> NDArray[np.uint8]:
        return self._make_table(_NUM_IDS, self.ids, self.ignored)

    @cached_property
    def _byte_table(self) -> bytes:
        return (self._id_table[:256] - 2).tobytes()

    @cached_property
    def _colour_table(self) -> NDArray[np.uint8]:
        mapped = {to_number(colour): index for colour, index in (self.colours or {}).items()}
        return self._make_table(_NUM_COLOURS, mapped, map(to_number, self.ignored_colours))

    def _make_table(
        self, size: int, mapped: Mapping[int, int], ignored: Iterable[int]
    ) -> NDArray[np.uint8]:
        """Make a table of class index + 2; 0 = unmapped, so that most of it stays untouched."""
        is_strict = self.unmapped != "ignore"
        table = np.zeros(size, np.uint8) if is_strict else np.ones(size, np.uint8)
        table[list(ignored)] = 1  # 1 - 2 = 255
        table[list(mapped)] = np.array(list(mapped.values()), np.uint8) + 2
        return table

    def _make_unmapped_error(
        self, keys: NDArray[Any], unknown: NDArray[np.bool_], *, is_colour: bool
    ) -> errors.LabelError:
        """Make the error that lists what is unmapped, most frequent first."""
        values, counts = np.unique(keys[unknown], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        rows = [
            f"{f'#{values[i]:06x}' if is_colour else values[i]} ({counts[i]:,} pixels)"
            for i in order[:_NUM_LISTED]
        ]
        more = f" and {len(values) - _NUM_LISTED} more" if len(values) > _NUM_LISTED else ""
        what = "colours" if is_colour else "ids"
        msg = (
            f"it holds {what} that id map '{self.name}' does not know: {', '.join(rows)}{more}. "
            f"Name the id map that fits, or a TOML file that gives these {what} a class "
            f"or lists them under 'ignore'."
        )
        if is_colour and len(values) > len(self.colours or ()):
            msg += (
                f" So many colours ({unknown.mean():.1%} of the pixels) are edges that were "
                "blended when the label was resized, or stored as JPEG: make it anew without "
                'interpolation, or set unmapped = "ignore" or "nearest" in the map.'
            )
        return errors.LabelError(msg, code="unmapped_ids")

    def _make_no_ignore_error(self) -> errors.LabelError:
        """Make the error for a map by which no pixel can be masked."""
        msg = (
            f"Id map '{self.name}' has no id below 256 or no colour for ignored pixels. "
            f"List one under 'ignore'."
        )
        return errors.LabelError(msg, code="no_ignore_id")
