"""Id maps by name, from a file that a user writes, and from what a score file says.

``--id-map my_ids.toml``, or ``id_map = "my_ids.toml"`` in curate.toml::

    ignore = [11, "#000000"]   # ids and colours that are known and have no class
    unmapped = "error"         # what any other id is: "error", or "ignore"; of colours "nearest"
    max_distance = 60          # further than that in RGB, nearest is ignored
    channel = "auto"           # "first": labels in colour hold the id in their first channel

    [ids]                      # labels in grey or with a palette
    0 = "sky"
    7 = "road"

    [colours]                  # labels in colour; without [ids] also those with a palette
    "#804080" = "road"
    "70,130,180" = "sky"

Every key may be left out, as long as one id or colour has a class. 255, and white among colours,
are ignored unless they have one.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from curate import errors, records, texts
from curate.config import Strict, parse
from curate.data.classes import TRANSLATIONS, VOCABULARIES, resolve_classes
from curate.data.colours import WHITE, Colour
from curate.data.id_tables import OWN_CLASSES, PUBLISHED_IDS, SEVERAL
from curate.data.idmaps import IdMap

if TYPE_CHECKING:
    from curate.data.id_tables.table import PublishedIds

BUILT_IN = {"cityscapes": "cityscapes19", "camvid": "camvid11"}
"""Class sets of vocabularies that are not called as these."""

_HEXADECIMAL = re.compile(r"#[0-9a-fA-F]{6}")
_DECIMAL = re.compile(r"\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*")


CLASS_INDICES = "classes"
"""Name of the id map by which ids are the indices of the classes in use, whatever these are."""


def parse_colour(text: object) -> Colour:
    """Read ``#rrggbb`` or ``r,g,b``.

    Raises
    ------
    ValueError
        If `text` is neither.
    """
    values = [256]
    if isinstance(text, str) and _HEXADECIMAL.fullmatch(text):
        values = list(bytes.fromhex(text[1:]))
    elif isinstance(text, str) and _DECIMAL.fullmatch(text):
        values = [int(part) for part in text.split(",")]
    if max(values) > 255:
        msg = f"'{text}' is no colour: write it as '#rrggbb' or 'red,green,blue'"
        raise ValueError(msg)
    red, green, blue = values
    return red, green, blue


_Key = TypeVar("_Key", int, Colour)

RawId = Annotated[int, Field(ge=0, le=65535)]
RawColour = Annotated[Colour, BeforeValidator(parse_colour)]
ClassIndex = Annotated[int, Field(ge=0, le=253)]


class IdMapFile(Strict):
    """What the file holds.

    Attributes
    ----------
    ids, colours : dict
        Raw id, or colour -> class name.
    ignore : tuple
        Raw ids, and colours, that have no class.
    """

    ids: dict[RawId, str] = Field(default_factory=dict)
    colours: dict[RawColour, str] = Field(default_factory=dict)
    ignore: tuple[RawId | RawColour, ...] = ()
    unmapped: Literal["error", "ignore", "nearest"] = "error"
    max_distance: float = Field(60, ge=0, le=442)
    channel: Literal["auto", "first"] = "auto"


class StoredIdMap(BaseModel):
    """An id map as `IdMap.to_json` writes it."""

    name: str
    ids: dict[RawId, ClassIndex]
    ignored: frozenset[RawId]
    colours: dict[RawColour, ClassIndex] = {}
    ignored_colours: frozenset[RawColour] = frozenset()
    unmapped: Literal["error", "ignore", "nearest"] = "error"
    max_distance: float = Field(60, ge=0, le=442)
    channel: Literal["auto", "first"] = "auto"


def resolve_id_map(
    id_map: str | None, classes: records.ClassSet, *, default: str | None = None
) -> IdMap:
    """Make the id map that turns the ids of a data set into indices of `classes`.

    Parameters
    ----------
    id_map : str or None
        Key of `PUBLISHED_IDS`, `CLASS_INDICES`, path of a TOML file, or None for `default`.
    default : str or None
        Key of `PUBLISHED_IDS`; None = ids are the class indices of `classes`.

    Raises
    ------
    ConfigError
        If there is no such map, its file is wrong, or it has no class of `classes`.
    """
    id_map = id_map or default
    if id_map is None and classes.name in OWN_CLASSES:  # whose table of that name has other ids
        return IdMap("class indices", {index: index for index in range(len(classes))})
    if id_map == CLASS_INDICES:
        return IdMap(id_map, {index: index for index in range(len(classes))})
    id_map = id_map or classes.name
    if id_map.endswith(".toml"):
        return read_id_map(Path(id_map), classes)
    if id_map in PUBLISHED_IDS:
        return _resolve_published(id_map, classes)
    if id_map == classes.name:
        return IdMap(id_map, {index: index for index in range(len(classes))})
    if id_map in SEVERAL:
        names = SEVERAL[id_map]
        msg = (
            f"id_map = '{id_map}' does not tell which version's ids are meant: they changed. Name "
            f"one of {', '.join(names)}."
        )
        raise errors.ConfigError(msg)
    hint = (
        errors.did_you_mean(id_map, PUBLISHED_IDS) or f"Use {', '.join(PUBLISHED_IDS)}, or a file."
    )
    msg = f"id_map = '{id_map}' is neither a built-in id map nor the name of a .toml file. {hint}"
    raise errors.ConfigError(msg)


def read_id_map(path: Path, classes: records.ClassSet) -> IdMap:
    """Read an id map into indices of `classes`.

    Raises
    ------
    ConfigError
        If the file is missing or wrong, or names a class that is not in use.
    """
    if not path.is_file():
        msg = f"{path} does not exist. An id map is a built-in name or the path of a TOML file."
        raise errors.ConfigError(msg)
    table = parse(IdMapFile, texts.read_toml(path), where=str(path))
    index_of = {name: index for index, name in enumerate(classes.names)}
    _check_names(path, [*table.ids.values(), *table.colours.values()], classes.names)
    ids = {raw: index_of[name] for raw, name in table.ids.items()}
    colours = {colour: index_of[name] for colour, name in table.colours.items()}
    ignored = {item for item in table.ignore if isinstance(item, int)}
    ignored_colours = {item for item in table.ignore if isinstance(item, tuple)}
    twice = [*ignored.intersection(ids), *ignored_colours.intersection(colours)]
    if twice or not (ids or colours):
        what = f"{twice[0]} is ignored and has a class" if twice else "no id or colour has a class"
        msg = (
            f"{path}: {what}. Give each id a line like 7 = 'road' under [ids], each colour one "
            f"like '#804080' = 'road' under [colours], and list others under 'ignore'."
        )
        raise errors.ConfigError(msg)
    return IdMap(
        name=path.name,
        ids=ids,
        ignored=frozenset(ignored | {records.IGNORE_INDEX}.difference(ids)),
        colours=colours or None,
        ignored_colours=frozenset(ignored_colours | {WHITE}.difference(colours)),
        unmapped=table.unmapped,
        max_distance=table.max_distance,
        channel=table.channel,
    )


def classes_of(id_map: str | None) -> records.ClassSet | None:
    """Return the classes that an id map is written in, in its order; None where that is not known.

    Raises
    ------
    ConfigError
        If it is a file that cannot be read.
    """
    if id_map in PUBLISHED_IDS:
        vocabulary = PUBLISHED_IDS[id_map].vocabularies[0]
        return resolve_classes(BUILT_IN.get(vocabulary, vocabulary))
    if id_map is None or not id_map.endswith(".toml"):
        return None
    table = parse(IdMapFile, texts.read_toml(Path(id_map)), where=id_map)
    names = tuple(dict.fromkeys([*table.ids.values(), *table.colours.values()]))
    return resolve_classes(names) if len(names) > 1 else None


def restore_id_map(table: Mapping[str, Any] | None, *, where: str) -> IdMap:
    """Make the id map that a score file was made with.

    Parameters
    ----------
    table : dict or None
        What `IdMap.to_json` returned.

    Raises
    ------
    StoreError
        If there is none, or it is not what it should be.
    """
    if table is None:
        msg = (
            f"{where} does not say how to read labels. If it joins score files, merge them again; "
            "if not, score the data set again. export-subset needs no labels with --by image."
        )
        raise errors.StoreError(msg)
    try:
        stored = StoredIdMap.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "id_map"
        msg = (
            f"{where} does not say how to read labels ({key}: {first['msg']}). Score the data set "
            "again; export-subset needs no labels with --by image."
        )
        raise errors.StoreError(msg) from None
    return IdMap(**dict(stored) | {"colours": stored.colours or None})


def _resolve_published(name: str, classes: records.ClassSet) -> IdMap:
    """Go from published ids and colours by way of class names to indices of `classes`."""
    published = PUBLISHED_IDS[name]
    wanted, translation = _choose_vocabulary(published, classes)
    index_of = {word: index for index, word in enumerate(classes.names)}

    def index(named: Mapping[_Key, str]) -> dict[_Key, int]:
        words = {key: translation.get(word, word) for key, word in named.items()}
        return {key: index_of[word] for key, word in words.items() if word in index_of}

    ids = index(published.names.get(wanted, {}))
    colours = index(published.colours.get(wanted, {}))
    if not (ids or colours):
        words = dict.fromkeys(translation.get(word, word) for word in published.words(wanted))
        msg = (
            f"Id map '{name}' and the classes in use have no class in common. The map has "
            f"{', '.join(words)}; in use are {', '.join(classes.names)}. "
            f"Set 'classes' to fit, or name another id map, such as a TOML file of your own."
        )
        raise errors.ConfigError(msg)
    known = {*published.ignored_colours, *published.colours.get(wanted, {})}
    return IdMap(
        name,
        ids,
        frozenset({*range(published.num_ids), records.IGNORE_INDEX}.difference(ids)),
        colours=colours or None,
        ignored_colours=frozenset(({WHITE} | known).difference(colours)),
        channel="first" if published.channel == "first" else "auto",
    )


def _choose_vocabulary(
    published: "PublishedIds", classes: records.ClassSet
) -> tuple[str, dict[str, str]]:
    """Choose the vocabulary that `classes` has most names of, and how to translate to it."""
    choices: dict[str, tuple[str, dict[str, str]]] = {}
    for own in published.vocabularies:
        choices[own] = own, {}
    for (own, other), translation in TRANSLATIONS.items():
        if own in published.vocabularies:
            choices.setdefault(other, (own, translation))
    best = max(choices, key=lambda name: len(VOCABULARIES[name].intersection(classes.names)))
    return choices[best]


def _check_names(path: Path, names: Iterable[str], known: tuple[str, ...]) -> None:
    """Refuse a name that is no class, and name the nearest one."""
    for name in names:
        if name not in known:
            hint = errors.did_you_mean(name, known) or f"Use {', '.join(known)}."
            msg = f"{path}: '{name}' is none of the classes in use. {hint}"
            raise errors.ConfigError(msg)
