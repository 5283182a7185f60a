"""Read labels as they were read for scoring, from what a score file says about them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curate.data.idmaps import IdMap
from curate.errors import StoreError

_RawId = Annotated[int, Field(ge=0, le=65535)]
_ClassIndex = Annotated[int, Field(ge=0, le=253)]
_Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class _StoredIdMap(BaseModel):
    """An id map as `IdMap.to_json` writes it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    ids: dict[_RawId, _ClassIndex]
    ignored: tuple[_RawId, ...]
    colours: dict[_Colour, _ClassIndex] = {}
    ignored_colours: tuple[_Colour, ...] = ()
    unmapped: Literal["error", "ignore"] = "error"
    channel: Literal["auto", "first"] = "auto"


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
    try:
        stored = _StoredIdMap.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "id_map"
        msg = (
            f"{where} does not say how to read labels ({key}: {first['msg']}). Score the data set "
            "again, or select whole images with --by image."
        )
        raise StoreError(msg) from None
    return IdMap(
        name=stored.name,
        ids=stored.ids,
        ignored=frozenset(stored.ignored),
        colours={_rgb(text): index for text, index in stored.colours.items()} or None,
        ignored_colours=frozenset(map(_rgb, stored.ignored_colours)),
        unmapped=stored.unmapped,
        channel=stored.channel,
    )


def _rgb(text: str) -> tuple[int, int, int]:
    """Read ``#rrggbb``."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
