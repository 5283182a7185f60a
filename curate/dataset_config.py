"""What curate.toml, or options of a command, say of a data set."""

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from curate.remote import as_path


class Strict(BaseModel):
    """A table of settings in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _makes_no_number_of_texts(cls, value: object, info: ValidationInfo) -> object:
        """Refuse ``"20"`` and ``true`` where a number belongs."""
        kind = cls.model_fields[info.field_name or ""].annotation
        is_number = {*(get_args(kind) or (kind,))} <= {int, float, type(None)}
        if is_number and isinstance(value, bool | str):
            msg = "a number is required, without quotes"
            raise ValueError(msg)
        return value


class ReadingConfig(Strict):
    """How a data set is read; what is left out is seen from its files."""

    layout: str = "auto"
    """Name of a layout, or ``auto``."""

    id_map: str | None = None
    """Built-in id map, ``classes`` (ids are indices of the classes), or path of a TOML file; by
    default the one that belongs to the layout.
    """

    image: str | None = None
    """Pattern of the images in place of a layout, as ``{scene}/rgb/{n}.jpg``; needs `label`."""

    label: str | None = None
    """Pattern of the labels, as ``{scene}/classes/{n}.png``."""

    images: str | None = None
    """Folder of the images, where it is not called ``images``; needs `labels_dir`."""

    labels_dir: str | None = None
    """Folder of the labels, with the same paths below it."""

    split: str | None = None
    """Which split to take: ``train``, ``val``, .., as its folder is called."""

    range: Literal["auto", "full"] | tuple[float, float] = "auto"
    """What becomes black and white in images of more than 8 bits: ``auto`` (the .1 and 99.9
    percentiles of 64 images), ``full``, or two values.
    """

    @model_validator(mode="after")
    def _is_one_way(self) -> "ReadingConfig":
        if (self.images is None) != (self.labels_dir is None):
            msg = "'images' and 'labels_dir' go together: name the folders of images and of labels"
            raise ValueError(msg)
        ways = [
            name
            for name, value in (
                ("layout", self.layout != "auto"),
                ("image", self.image or self.label),
                ("images", self.images),
            )
            if value
        ]
        if len(ways) > 1:
            msg = f"'{ways[0]}' and '{ways[1]}' both say where files are: leave out one of them"
            raise ValueError(msg)
        if not isinstance(self.range, str) and self.range[0] >= self.range[1]:
            msg = f"range = {list(self.range)}: the first value must be below the second"
            raise ValueError(msg)
        return self


_WILD: Final = re.compile(r"(\{[^{}/]*\}|\*|\?)")
_NUMBERS: Final = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")


def _read_piece(text: str) -> str:
    """Make a regular expression of a piece of a pattern: ``{000..009}``, ``{a,b}``, ``*``, ``?``.

    Examples
    --------
    >>> _read_piece("{08..10}"), _read_piece("{a,b}"), _read_piece("*")
    ('(?:08|09|10)', '(?:a|b)', '[^/]*')
    """
    if match := _NUMBERS.fullmatch(text):
        first, last = (int(number) for number in match.groups())
        found = [str(number).zfill(len(match[1])) for number in range(first, last + 1)]
    elif text.startswith("{") and text.endswith("}"):
        found = [re.escape(each) for each in text[1:-1].split(",")]
    else:
        return {"*": "[^/]*", "?": "[^/]"}.get(text) or re.escape(text)
    return f"(?:{'|'.join(found)})"


class DatasetConfig(ReadingConfig):
    """One ``[[real]]``, ``[[synthetic]]`` or ``[[test]]`` table."""

    path: Annotated[Path, AfterValidator(as_path)]
    """Folder, absolute once the file has been read, or URL; or shards: ``{000..009}.tar``."""

    name: str | None = Field(None, pattern=r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]*$")
    """What it is called in file names, and before ids where several sets are joined; by default
    its last folder.
    """

    @property
    def called(self) -> str:
        """Return its name, given or not."""
        path = Path(os.path.abspath(self.root))  # noqa: PTH100  (of a URL, the name is right)
        return self.name or path.name or "data"

    @property
    def root(self) -> Path:
        """Return the folder: that of the shards, where `path` is one or a pattern of them."""
        return self.path.parent if self.only else self.path

    @property
    def only(self) -> re.Pattern[str] | None:
        """What the paths of shards begin with; None where all files of the folder count."""
        if self.path.suffix not in (".tar", ".parquet", ".mds") or self.path.is_dir():
            return None
        pieces = (_read_piece(piece) for piece in _WILD.split(self.path.name))
        return re.compile(f"(?:{''.join(pieces)})(?:/|$)")

    def read_as(self, reading: ReadingConfig) -> "DatasetConfig":
        """Return a copy in which what `reading` sets replaces what is set here."""
        given = {
            key: getattr(reading, key)
            for key, field in type(reading).model_fields.items()
            if getattr(reading, key) != field.default
        }
        if {"layout", "image", "images"} & set(given):  # one way to say where files are
            kept = self.model_copy(
                update={
                    "layout": "auto",
                    **dict.fromkeys(("image", "label", "images", "labels_dir")),
                }
            )
            return kept.model_copy(update=given)
        return self.model_copy(update=given)
