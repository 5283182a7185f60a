"""Where scores come from: what must be equal before two files may be mixed."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from curate.errors import StoreError
from curate.scores.schema import NO_MEANS, Attr, Schema

_MAX_MEAN: Final = 1e6
_DATA: Final = ("dataset", "id_map")
PARTIAL: Final = "partial"
"""Key that says what a file lacks that was merged though parts were missing."""


class _Record(BaseModel):
    """A part of the provenance; keys of later versions are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)


class DatasetProvenance(_Record):
    """The data set that was scored, how many images it has, and what is black and white in it.

    Attributes
    ----------
    id_map : dict or str
        How its label ids become class indices, or only what that is called.
    parts : tuple of DatasetProvenance
        Data sets whose score files were merged into this one's.
    """

    layout: str
    name: str = ""
    images: int | None = None
    range: tuple[float, float] | None = None
    id_map: Any = None
    parts: tuple["DatasetProvenance", ...] = ()

    @property
    def shown_range(self) -> tuple[float, float] | None:
        """Return what becomes black and white in images of more than 8 bits."""
        return self.range if self.range and self.range[0] < self.range[1] else None

    def list_origins(
        self, start: str, id_map: dict[str, Any] | None
    ) -> Iterator[tuple[str, "DatasetProvenance"]]:
        """Yield each data set with its id map, and what stands before its own ids."""
        own = self.id_map if isinstance(self.id_map, dict) else id_map
        for part in self.parts:
            yield from part.list_origins(f"{start}{part.name}/", own)
        if not self.parts:
            yield start, self.model_copy(update={"id_map": own})


class ClassesProvenance(_Record):
    """The classes; the index of a name is its class index."""

    name: str
    names: tuple[str, ...]


class Provenance(_Record):
    """What scores depend on; other keys, such as run and versions, are compared but never used.

    Attributes
    ----------
    id_map : dict or None
        How label ids become class indices, as the data set's own id map writes itself down; None
        where data sets with different ones were merged.
    weight_rule : dict or None
        How weights follow from scores; ``largest`` is what 255 stands for in a map of them, before
        the division by their mean.
    levels : tuple of str
        Which of ``image``, ``region``, ``pixel`` were scored.
    stride : int
        Pixels of the original image per cell of a stored map.
    """

    dataset: DatasetProvenance
    classes: ClassesProvenance
    id_map: dict[str, Any] | None = None
    weight_rule: dict[str, Any] | None = None
    levels: tuple[str, ...]
    stride: int = Field(ge=1, le=2**16)

    @property
    def largest_weight(self) -> float:
        """Return what 255 stands for in a map of weights, before the division by their mean."""
        return float((self.weight_rule or {}).get("largest", 1.0))

    @cached_property
    def origins(self) -> dict[str, DatasetProvenance]:
        """Return each data set that was scored, with its id map, by what its image ids begin with.

        That is nothing for the only one, ``gta5/`` and the like where several were merged.
        """
        return dict(self.dataset.model_copy(update={"id_map": None}).list_origins("", self.id_map))

    def start_of(self, image_id: str) -> str:
        """Find the data set of an image: return its key in `origins`.

        Raises
        ------
        StoreError
            If it is of none.
        """
        starts = [start for start in self.origins if image_id.startswith(start)]
        if not starts:
            msg = f"image '{image_id}' is of none of the data sets that were merged. Merge again."
            raise StoreError(msg)
        return max(starts, key=len)

    def origin_of(self, image_id: str) -> DatasetProvenance:
        """Find the data set of an image; errors as `start_of`."""
        return self.origins[self.start_of(image_id)]

    @field_validator("weight_rule")
    @classmethod
    def _has_a_largest(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        largest = (value or {}).get("largest", 1.0)
        if not isinstance(largest, int | float) or not 0 < largest < _MAX_MEAN:
            msg = "'largest' is no weight"
            raise ValueError(msg)
        return value


class Header(NamedTuple):
    """What a file of scores says of itself.

    Attributes
    ----------
    provenance : dict
    dataset_root : str
        Where the data set was.
    weight_means : tuple of float
        What each of `WEIGHT_NAMES` was divided by, so that its mean over the valid pixels is 1.
    """

    provenance: dict[str, Any]
    dataset_root: str
    weight_means: tuple[float, ...] = NO_MEANS

    def to_texts(self) -> dict[str, str]:
        """Write it down as the attributes of a file; equal content makes equal text."""
        return {
            Attr.PROVENANCE: json.dumps(self.provenance, sort_keys=True),
            Attr.ROOT: self.dataset_root,
            Attr.MEANS: json.dumps(self.weight_means),
        }


def read_header(texts: Mapping[str, str | None], *, where: str) -> Header:
    """Read what `Header.to_texts` wrote.

    Raises
    ------
    StoreError
        If a text is not the JSON that it should be.
    """
    table = _decode(texts.get(Attr.PROVENANCE))
    means = _decode(texts.get(Attr.MEANS) or json.dumps(NO_MEANS))
    is_right = isinstance(means, list) and len(means) == len(NO_MEANS)
    if not isinstance(table, dict) or not is_right or not all(map(_is_mean, means)):
        msg = f"{where} holds no readable provenance. Score the data set again."
        raise StoreError(msg)
    return Header(table, texts.get(Attr.ROOT) or "", tuple(means))


def parse_provenance(provenance: Mapping[str, Any], *, where: str) -> Provenance:
    """Check the provenance of a score file.

    Raises
    ------
    StoreError
        Naming the first key that is missing or wrong.
    """
    try:
        return Provenance.model_validate(provenance)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        msg = f"{where}: provenance key '{key}': {first['msg']}. Score the data set again."
        raise StoreError(msg) from None


def schema_of(provenance: Mapping[str, Any], *, where: str) -> Schema:
    """Tell what a file of this provenance holds.

    Raises
    ------
    StoreError
        If its streams are not what streams are called.
    """
    names, has_maps = provenance.get("streams", ()), provenance.get("stream_maps", False)
    is_list = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    if is_list and all(map(str.isidentifier, names)) and len(set(names)) == len(names):
        return Schema(tuple(names), stream_maps=has_maps is True)
    msg = f"{where}: {names!r} are no names of streams. Score the data set again."
    raise StoreError(msg)


def differing_keys(a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = "") -> list[str]:
    """List the keys, dotted for nested ones, whose values differ between two provenances."""
    keys = []
    for key in sorted({*a, *b}):
        left, right = a.get(key), b.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            keys += differing_keys(left, right, f"{prefix}{key}.")
        elif left != right or (key in a) != (key in b):
            keys.append(f"{prefix}{key}")
    return keys


def refuse_mixing(
    found: Mapping[str, Any], wanted: Mapping[str, Any], *, where: str, advice: str
) -> None:
    """Raise a `StoreError` that lists the differing keys, if there are any."""
    keys = differing_keys(found, wanted)
    if keys:
        msg = f"{where} comes from other settings; these differ: {', '.join(keys)}. {advice}"
        raise StoreError(msg)


def refuse_other_runs(
    provenances: Sequence[Mapping[str, Any]], paths: Sequence[Path], verb: str
) -> None:
    """Raise a `StoreError` if files differ in more than data set, id map and versions.

    `verb` is what only files of one run can be done with: ``Merge``.
    """
    for provenance, path in zip(provenances, paths, strict=True):
        refuse_mixing(
            _without_data(provenance),
            _without_data(provenances[0]),
            where=str(path),
            advice=f"{verb} only what was scored as {paths[0]} was.",
        )


class Prefixes(NamedTuple):
    """What is put in front of the image ids, and of the paths, of one file among several."""

    ids: str = ""
    paths: str = ""


def join_headers(headers: Sequence[Header], paths: Sequence[Path]) -> tuple[Header, list[Prefixes]]:
    """Say where scores in several files come from together, and tell their images apart.

    Of different data sets, ids get the name of theirs in front, and paths lead there from the
    folder that all of them are in.

    Raises
    ------
    StoreError
        If anything but data set, id map and versions differs, or two data sets have one name.
    """
    first, keys, sets = headers[0], list[str](), dict[str, Header]()
    refuse_other_runs([h.provenance for h in headers], paths, "Merge")
    for header, path in zip(headers, paths, strict=True):
        parse_provenance(header.provenance, where=str(path))
        keys.append(json.dumps([header.provenance.get(key) for key in _DATA], sort_keys=True))
        sets.setdefault(keys[-1], header)
    if len(sets) == 1:
        return first, [Prefixes()] * len(headers)
    parts = [
        h.provenance["dataset"] | {"root": h.dataset_root, "id_map": h.provenance.get("id_map")}
        for h in sets.values()
    ]
    names, roots = ([str(part.get(key) or "") for part in parts] for key in ("name", "root"))
    if len(set(names) - {""}) < len(names) or not all(map(os.path.isabs, roots)):
        msg = (
            f"the score files are of {len(names)} data sets, or states of them, called "
            f"{', '.join(map(repr, names))}: names must differ to tell their images apart. Rename "
            "the folder of one, or score again what has changed."
        )
        raise StoreError(msg)
    id_maps = [part["id_map"] for part in parts]
    joined = {
        "dataset": {
            "name": "+".join(names),
            "layout": "+".join(part["layout"] for part in parts),
            "images": sum(part.get("images") or 0 for part in parts),
            "parts": parts,
        },
        "id_map": id_maps[0] if all(id_map == id_maps[0] for id_map in id_maps) else None,
    }
    root = os.path.commonpath(roots)
    folders = [Path(os.path.relpath(folder, root)).as_posix() for folder in roots]
    prefixes = {
        key: Prefixes(f"{name}/", "" if folder == "." else f"{folder}/")
        for key, name, folder in zip(sets, names, folders, strict=True)
    }
    return Header(first.provenance | joined, root), [prefixes[key] for key in keys]


def _without_data(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what may differ between files that are joined."""
    may_differ = {*_DATA, "versions", PARTIAL}
    return {key: value for key, value in provenance.items() if key not in may_differ}


def _decode(text: str | None) -> Any:  # noqa: ANN401
    """Read JSON; None if it is none."""
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_mean(value: object) -> bool:
    """Tell whether weights can have been divided by a value."""
    return isinstance(value, float) and 0 < value < _MAX_MEAN
