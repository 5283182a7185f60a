"""Where scores come from: what must be equal before two files may be mixed."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from curate.errors import StoreError
from curate.scores.schema import Schema


class _Record(BaseModel):
    """A part of the provenance; keys of later versions are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)


class DatasetProvenance(_Record):
    """The data set that was scored.

    Attributes
    ----------
    layout : str
        Name of the layout it was read with, never ``auto``.
    labels : str or None
        Name of the id map.
    fingerprint : str or None
        Checksum of what the data set consists of.
    name : str or None
        Name of its folder.
    images : int or None
        How many images it has.
    """

    layout: str
    labels: str | None = None
    fingerprint: str | None = None
    name: str | None = None
    images: int | None = None


class ClassesProvenance(_Record):
    """The classes; the index of a name is its class index."""

    name: str
    names: tuple[str, ...]


class Provenance(_Record):
    """What scores depend on.

    Attributes
    ----------
    run, checkpoint_sha256 : str or None
        The run, and the weights that scored.
    id_map : dict
        How label ids become class indices, as the data set's own id map writes itself down.
    levels : tuple of str
        Which of ``image``, ``region``, ``pixel`` were scored.
    stride : int
        Pixels of the original image per cell of a stored map.
    regions : dict or None
        How images were cut into regions.
    versions : dict of str to str
        Versions of the software.
    """

    run: str | None = None
    checkpoint_sha256: str | None = None
    dataset: DatasetProvenance
    classes: ClassesProvenance
    id_map: dict[str, Any] | None = None
    method: str | dict[str, Any] | None = None
    levels: tuple[str, ...]
    stride: int
    regions: str | dict[str, Any] | None = None
    seed: int | None = None
    versions: dict[str, str] = {}


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


def encode(provenance: Mapping[str, Any]) -> str:
    """Write provenance as JSON, the same for equal content."""
    return json.dumps(provenance, sort_keys=True)


def decode(text: object, *, where: str) -> dict[str, Any]:
    """Read provenance from JSON.

    Raises
    ------
    StoreError
        If `text` is not the JSON of a table.
    """
    try:
        table = json.loads(text) if isinstance(text, str | bytes) else None
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        msg = f"{where} holds no readable provenance. Score the data set again."
        raise StoreError(msg)
    return table


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
