"""Find the id map that turns the labels of a data set into the classes in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from curate.data.idmap_files import read_id_map
from curate.data.idmaps import IdMap
from curate.data.vocabularies import PUBLISHED_IDS, TRANSLATIONS, VOCABULARIES
from curate.errors import ConfigError, did_you_mean
from curate.records import IGNORE_INDEX

if TYPE_CHECKING:
    from curate.records import ClassSet


def resolve_id_map(labels: str | None, classes: ClassSet, *, default: str | None = None) -> IdMap:
    """Make the id map that turns the ids of a data set into indices of `classes`.

    Parameters
    ----------
    labels : str or None
        Key of `PUBLISHED_IDS`, path of a TOML file, or None for `default`.
    default : str or None
        Key of `PUBLISHED_IDS`; None = ids are the class indices of `classes`.

    Raises
    ------
    ConfigError
        If there is no such map, its file is wrong, or it has no class of `classes`.
    """
    labels = labels or default or classes.name
    if labels.endswith(".toml"):
        return read_id_map(Path(labels), classes)
    if labels in PUBLISHED_IDS:
        return _resolve_published(labels, classes)
    if labels == classes.name:
        return IdMap(labels, {index: index for index in range(len(classes))})
    hint = did_you_mean(labels, PUBLISHED_IDS) or f"Use {', '.join(PUBLISHED_IDS)}, or a file."
    msg = f"labels = '{labels}' is neither a built-in id map nor the name of a .toml file. {hint}"
    raise ConfigError(msg)


def _resolve_published(labels: str, classes: ClassSet) -> IdMap:
    """Go from published ids by way of class names to indices of `classes`."""
    published = PUBLISHED_IDS[labels]
    names = _names_for(labels, classes)
    index_of = {name: index for index, name in enumerate(classes.names)}
    ids = {raw: index_of[name] for raw, name in names.items() if name in index_of}
    if not ids:
        msg = (
            f"Id map '{labels}' and the classes in use have no class in common. The map has "
            f"{', '.join(dict.fromkeys(names.values()))}; in use are {', '.join(classes.names)}. "
            f"Set 'classes' to fit, or give --labels a TOML file."
        )
        raise ConfigError(msg)
    ignored = {*range(published.num_ids), IGNORE_INDEX}.difference(ids)
    channel: Literal["auto", "first"] = "first" if published.channel == "first" else "auto"
    return IdMap(labels, ids, frozenset(ignored), channel=channel)


def _names_for(labels: str, classes: ClassSet) -> dict[int, str]:
    """Name the published ids in the vocabulary that `classes` has most names of."""
    names = PUBLISHED_IDS[labels].names
    own = next(iter(names))
    candidates = [*names, *(name for name in VOCABULARIES if name not in names)]
    wanted = max(candidates, key=lambda name: len(VOCABULARIES[name].intersection(classes.names)))
    if wanted in names:
        return dict(names[wanted])
    translation = TRANSLATIONS[own, wanted]
    return {raw: translation[name] for raw, name in names[own].items()}
