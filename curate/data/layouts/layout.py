"""One way to arrange images and labels in folders."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from curate.data import shards
from curate.data.layouts import patterns
from curate.data.png import COLOUR_TYPE_PALETTE, peek_colour_type

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """One way to arrange images and labels in folders.

    Attributes
    ----------
    image : str
        Pattern of the images' paths below the data set; see `curate.data.layouts.patterns`.
        ``{split}`` stands for one of the folder names that splits have.
    labels : mapping of str to (str or None)
        Pattern of the labels' paths -> built-in id map of such labels, the preferred one first;
        None = the class indices of the class set that is in use.
    class_set : str or None
        Built-in class set that goes with the layout.
    num_digits : int
        If not 0, images and labels are .png files named by so many digits.
    has_palette : bool
        Whether labels must be palette PNGs.
    needs : str
        A file or folder that must be there.
    is_specific : bool
        Whether a match outdoes the matches of layouts that are not specific.
    lists : str
        Folder of lists of names, ``train.txt`` and so on, that make the splits. Images without a
        label are no part of such a data set.
    any_split : bool
        Whether ``{split}`` stands for any text.
    is_given : bool
        Whether the patterns are the user's own: their values make the ids, and nothing is guessed.
    """

    image: str
    labels: Mapping[str, str | None]
    class_set: str | None = None
    num_digits: int = 0
    has_palette: bool = False
    needs: str = ""
    is_specific: bool = True
    lists: str = ""
    any_split: bool = False
    is_given: bool = False

    @cached_property
    def is_container(self) -> bool:
        """Whether one file holds an image and its label."""
        return self.image in self.labels

    @cached_property
    def is_sharded(self) -> bool:
        """Whether images and labels are members of larger files; ids are the values, joined."""
        return shards.is_inside(self.image)

    @cached_property
    def image_pattern(self) -> patterns.Pattern:
        """Where images are."""
        suffixes = patterns.CONTAINER_SUFFIXES if self.is_container else patterns.IMAGE_SUFFIXES
        return patterns.Pattern(self.image, suffixes, self._has_known_splits)

    @cached_property
    def label_patterns(self) -> tuple[patterns.Pattern, ...]:
        """Where labels are, in the order of `labels`."""
        suffixes = patterns.CONTAINER_SUFFIXES if self.is_container else patterns.LABEL_SUFFIXES
        return tuple(
            patterns.Pattern(text, suffixes, self._has_known_splits) for text in self.labels
        )

    @property
    def _has_known_splits(self) -> bool:
        return not (self.is_given or self.any_split)

    @cached_property
    def weight(self) -> int:
        """How much it says that a data set fits: letters that are given, and what is needed."""
        letters = self.image_pattern.weight + max(label.weight for label in self.label_patterns)
        return letters + 100 * (self.num_digits > 0) + 100 * (self.needs != "")

    def split_of(self, values: tuple[str, ...]) -> str:
        """Tell the split of an image by the values of its pattern, '' if no folder names it."""
        if len(values) == 1 and "/" not in values[0]:
            return ""
        names = self.image_pattern.names
        if patterns.SPLIT in names:
            return values[names.index(patterns.SPLIT)]
        folders = [part for value in values for part in value.split("/")[:-1]]
        folders += [value for value in values[:-1] if "/" not in value]
        return next((part for part in folders if part.lower() in patterns.SPLITS), "")

    def describe(self) -> str:
        """Say where images and labels are."""
        more = f", named 00001.png ({self.num_digits} digits)" if self.num_digits else ""
        more += ", labels with a palette" if self.has_palette else ""
        more += f", beside {self.needs}" if self.needs else ""
        return f"{self.image} with {' or '.join(self.labels)}{more}"

    def admits(self, root: Path, image: str, label: str) -> bool:
        """Tell whether an image and its label have the names and the palette that are required."""
        if self.needs and not (root / self.needs).exists():
            return False
        if self.num_digits and not all(self._has_digits(path) for path in (image, label)):
            return False
        return not self.has_palette or peek_colour_type(root / label) == COLOUR_TYPE_PALETTE

    def _has_digits(self, path: str) -> bool:
        """Tell whether a file is named by `num_digits` digits and .png."""
        stem, _, suffix = path.rpartition("/")[2].rpartition(".")
        return stem.isdecimal() and len(stem) == self.num_digits and suffix.lower() == "png"
