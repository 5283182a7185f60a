"""Id maps that a user writes.

``--labels my_ids.toml``, or ``labels = "my_ids.toml"`` in curate.toml::

    ignore = [11, "#000000"]   # ids and colours that are known and have no class
    unmapped = "error"         # what any other id is: "error", or "ignore"
    channel = "auto"           # "first": labels in colour hold the id in their first channel

    [ids]                      # labels in grey or with a palette
    0 = "sky"
    7 = "road"

    [colours]                  # labels in colour
    "#804080" = "road"
    "70,130,180" = "sky"

Every key may be left out, as long as one id or colour has a class. 255, and white among colours,
are ignored unless they have one.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from curate.config import Strict, parse, read_toml
from curate.data.idmaps import WHITE, IdMap
from curate.errors import ConfigError, did_you_mean
from curate.records import IGNORE_INDEX, ClassSet

_HEX = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
_DECIMAL = re.compile(r"\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*")


def parse_colour(text: str) -> tuple[int, int, int]:
    """Read ``#rrggbb`` or ``r,g,b``.

    Raises
    ------
    ValueError
        If `text` is neither.
    """
    if match := _HEX.fullmatch(text):
        red, green, blue = (int(part, 16) for part in match.groups())
        return red, green, blue
    match = _DECIMAL.fullmatch(text)
    if match is None or max(map(int, match.groups())) > 255:
        msg = f"'{text}' is no colour: write it as '#rrggbb' or 'red,green,blue'"
        raise ValueError(msg)
    red, green, blue = map(int, match.groups())
    return red, green, blue


def _check_colour(text: str) -> str:
    """Refuse what is no colour."""
    parse_colour(text)
    return text


RawId = Annotated[int, Field(ge=0, le=65535)]
ColourText = Annotated[str, AfterValidator(_check_colour)]


class IdMapFile(Strict):
    """What the file holds.

    Attributes
    ----------
    ids, colours : dict
        Raw id, or colour as text -> class name.
    ignore : tuple of int or str
        Raw ids, and colours as text, that have no class.
    """

    ids: dict[RawId, str] = Field(default_factory=dict)
    colours: dict[ColourText, str] = Field(default_factory=dict)
    ignore: tuple[RawId | ColourText, ...] = ()
    unmapped: Literal["error", "ignore"] = "error"
    channel: Literal["auto", "first"] = "auto"


def read_id_map(path: Path, classes: ClassSet) -> IdMap:
    """Read an id map into indices of `classes`.

    Raises
    ------
    ConfigError
        If the file is missing or wrong, or names a class that is not in use.
    """
    if not path.is_file():
        msg = f"{path} does not exist. Give --labels a built-in id map or the path of a TOML file."
        raise ConfigError(msg)
    table = parse(IdMapFile, read_toml(path), where=str(path))
    index_of = {name: index for index, name in enumerate(classes.names)}
    _check_names(path, [*table.ids.values(), *table.colours.values()], classes.names)
    ids = {raw: index_of[name] for raw, name in table.ids.items()}
    colours = {parse_colour(text): index_of[name] for text, name in table.colours.items()}
    ignored = {item for item in table.ignore if isinstance(item, int)}
    ignored_colours = {parse_colour(item) for item in table.ignore if isinstance(item, str)}
    twice = [*ignored.intersection(ids), *ignored_colours.intersection(colours)]
    if twice or not (ids or colours):
        what = f"{twice[0]} is ignored and has a class" if twice else "no id or colour has a class"
        msg = (
            f"{path}: {what}. Give each id a line like 7 = 'road' under [ids], each colour one "
            f"like '#804080' = 'road' under [colours], and list others under 'ignore'."
        )
        raise ConfigError(msg)
    return IdMap(
        name=path.name,
        ids=ids,
        ignored=frozenset(ignored | {IGNORE_INDEX}.difference(ids)),
        colours=colours or None,
        ignored_colours=frozenset(ignored_colours | {WHITE}.difference(colours)),
        unmapped=table.unmapped,
        channel=table.channel,
    )


def _check_names(path: Path, names: Iterable[str], known: tuple[str, ...]) -> None:
    """Refuse a name that is no class, and name the nearest one."""
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"Use {', '.join(known)}."
            msg = f"{path}: '{name}' is none of the classes in use. {hint}"
            raise ConfigError(msg)
