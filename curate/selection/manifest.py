"""What is written down about a subset: why each image is in or out, and where it comes from."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import remote
from curate.records import SUBSET_RECORD
from curate.scores.arrow import text_scalar, texts_to_arrow, to_arrow
from curate.selection.cuts import rank

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from curate.selection.choice import Choice
    from curate.selection.source import SubsetSource

MANIFEST_NAME: Final = "manifest.csv"
RECORD_NAME: Final = SUBSET_RECORD
RECORD_FORMAT: Final = "curate-subset"
_CACHE: Final = ".cache"
_LABELS_WITH_CACHE: Final = "masks/train"
"""Folder beside which, or beside a folder in it, Ultralytics leaves one file of this suffix."""

RECORD_VERSION: Final = 1

_BLOCK_ROWS: Final = 65_536


def tabulate_choices(
    sources: Sequence[SubsetSource], choices: Sequence[Choice], *, with_urls: bool = False
) -> pa.Table:
    """Tabulate why each image of the data sets is in the subset, or is not.

    Ranks are those among the images of all of them.

    Parameters
    ----------
    with_urls : bool
        Whether paths of data sets at URLs are URLs.

    Returns
    -------
    table : pyarrow.Table
        One row an image: ``score`` and ``rank`` are those of what ``rank_by`` names, ``rank`` is 1
        for the best and null where there is no score, and paths are those inside the data set.
        ``reason`` is ``selected``, why not, or the status of an image that was not scored, and
        ``why`` says it in words: ``kept: 12th of 479``. Of several data sets, ids and paths begin
        with the name of theirs.
    """
    ranks = rank(np.concatenate([source.image_scores for source in sources]))
    ends = np.cumsum([source.num_images for source in sources])
    each = zip(sources, choices, np.split(ranks, ends[:-1]), strict=True)
    num_ranked = int(ranks.max(initial=0))
    return pa.concat_tables([_tabulate(*those, num_ranked, with_urls=with_urls) for those in each])


def _tabulate(
    source: SubsetSource,
    choice: Choice,
    ranks: NDArray[np.int64],
    num_ranked: int,
    *,
    with_urls: bool,
) -> pa.Table:
    """Tabulate the images of one data set."""
    scores = source.image_scores
    is_url = with_urls and isinstance(source.root, remote.RemotePath)
    start = f"{source.root}/" if is_url else source.prefix
    has_no_score = np.isnan(scores)
    why_not = pc.if_else(
        to_arrow(has_no_score), text_scalar("not_scored"), text_scalar(choice.reason)
    )
    reasons = pc.if_else(to_arrow(source.is_ok), why_not, source.texts("status"))
    reasons = pc.if_else(to_arrow(choice.is_selected), text_scalar("selected"), reasons)
    codes = dict.fromkeys(source.left_out, "near_duplicate")
    codes |= {r: code for r, (code, _) in choice.notes.items() if not choice.is_selected[r]}
    if codes:
        coded = reasons.to_pylist()
        for row, code in codes.items():
            coded[row] = code
        reasons = texts_to_arrow(coded)
    return pa.table(
        {
            "id": _prefixed(source, "id", source.prefix),
            "selected": to_arrow(choice.is_selected),
            "score": to_arrow(scores, is_null=has_no_score),
            "rank": to_arrow(ranks, is_null=ranks == 0),
            "rank_by": pa.repeat(text_scalar(source.rank_by), source.num_images),
            "kept_px": to_arrow(choice.kept_px),
            "valid_px": to_arrow(source.scores.image_column("valid_px")),
            "reason": reasons,
            "why": texts_to_arrow(_explain(source, choice, ranks, num_ranked)),
            "image_path": _prefixed(source, "image_path", start),
            "label_path": _prefixed(source, "label_path", start),
        }
    )


def _explain(
    source: SubsetSource, choice: Choice, ranks: NDArray[np.int64], num_ranked: int
) -> list[str]:
    """Say in words why each image is in the subset, or is not."""
    valid_px = source.valid_px
    texts = []
    for row, (is_kept, rank_of) in enumerate(
        zip(choice.is_selected.tolist(), ranks.tolist(), strict=True)
    ):
        parts = [f"{_ordinal(rank_of)} of {num_ranked:,}"] if rank_of else []
        if row in source.left_out:
            parts.append(source.left_out[row])
        elif row in choice.notes:
            parts.append(choice.notes[row][1])
        elif not rank_of:
            parts.append("not scored")
        elif not is_kept:
            parts.append(choice.reason.replace("_", " "))
        if is_kept and choice.kept_px[row] < valid_px[row]:
            parts.append(f"{choice.kept_px[row] / valid_px[row]:.1%} of its pixels")
        texts.append(f"{'kept' if is_kept else 'dropped'}: {', '.join(parts)}")
    return texts


def _ordinal(number: int) -> str:
    """Write a place: ``1st``, ``12th``, ``23rd``."""
    last = 0 if number // 10 % 10 == 1 else number % 10
    return f"{number:,}" + {1: "st", 2: "nd", 3: "rd"}.get(last, "th")


def _prefixed(source: SubsetSource, name: str, start: str) -> pa.LargeStringArray:
    """Put the name of the data set, where there are several, or its URL before texts."""
    texts = source.texts(name)
    if not start:
        return texts
    longer = pc.binary_join_element_wise(text_scalar(start), texts, text_scalar(""))
    return pc.if_else(pc.equal(pc.binary_length(texts), 0), texts, longer)


def write_manifest(folder: Path, table: pa.Table) -> None:
    """Write a table as ``manifest.csv`` in UTF-8, whatever its strings hold."""
    newline, comma = text_scalar("\n"), text_scalar(",")
    with (folder / MANIFEST_NAME).open("xb") as file:
        file.write(f"{','.join(table.column_names)}\n".encode())
        for block in table.combine_chunks().to_batches(max_chunksize=_BLOCK_ROWS):
            *fields, last = map(_to_csv, block.columns)
            ends = pc.binary_join_element_wise(last, newline, text_scalar(""))
            file.write(_text_of(pc.binary_join_element_wise(*fields, ends, comma)))


def write_record(folder: Path, content: dict[str, Any]) -> None:
    """Write ``subset.json``, which marks the folder as a subset and says where it comes from.

    It is written last, so that its presence means that everything is there; it counts and hashes
    the names of all other files, so that what is added later is never taken for a part of it.
    """
    names = _list_files(folder)
    table = {"format": RECORD_FORMAT, "format_version": RECORD_VERSION, **content}
    table |= {"files": len(names), "files_sha256": _hash(names)}
    with (folder / RECORD_NAME).open("x", encoding="utf-8") as file:
        file.write(json.dumps(table, indent=2) + "\n")


def holds(folder: Path, wanted: dict[str, Any]) -> bool:
    """Tell whether the record of a subset says all that is wanted."""
    try:
        table = json.loads((folder / RECORD_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(table, dict) and all(table.get(key) == wanted[key] for key in wanted)


def find_foreign(folder: Path) -> str:
    """Say what keeps a folder from being a subset as curate wrote it; empty if it is one.

    Caches that a trainer left there go with it.
    """
    try:
        table = json.loads((folder / RECORD_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        table = None
    if not isinstance(table, dict) or table.get("format") != RECORD_FORMAT:
        return "is no subset of curate"
    names = _list_files(folder)
    own = [name for name in names if not _is_cache(folder, name)]
    if table.get("files_sha256") in (_hash(names), _hash(own)):
        return ""
    written_ns = (folder / RECORD_NAME).lstat().st_mtime_ns
    later = [name for name in own if (folder / name).lstat().st_ctime_ns > written_ns]
    added = f", {later[0]!r} for one" if later else ""
    return (
        f"holds {len(own)} files beside {RECORD_NAME}, not the {table.get('files')} that curate "
        f"wrote: some were added or removed{added}"
    )


def _is_cache(folder: Path, name: str) -> bool:
    """Tell whether a file is one that a trainer leaves in a subset, and makes anew."""
    labels = name.removesuffix(_CACHE)
    if labels == name or not f"{labels}/".startswith(f"{_LABELS_WITH_CACHE}/"):
        return False
    return (folder / labels).is_dir() and not (folder / name).is_symlink()


def _list_files(folder: Path) -> list[str]:
    """List all files and links below a folder but the record, as sorted relative paths."""
    names = []
    for where, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(f"{where}/{name}")]  # noqa: PTH114
        names += [os.path.relpath(f"{where}/{name}", folder) for name in (*files, *links)]
    return sorted(name for name in names if name != RECORD_NAME)


def _hash(names: list[str]) -> str:
    """Return one checksum of all names."""
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def _to_csv(values: pa.Array) -> pa.LargeStringArray:
    """Write values as fields of a CSV file; null becomes an empty one."""
    if pa.types.is_boolean(values.type):
        return pc.if_else(values, text_scalar("True"), text_scalar("False"))
    texts = values.cast(pa.large_string()).fill_null(text_scalar(""))
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return texts
    needs_quotes = pc.match_substring_regex(texts, '[",\r\n]')
    if not pc.any(needs_quotes).as_py():
        return texts
    quote = text_scalar('"')
    doubled = pc.replace_substring(texts, '"', '""')
    quoted = pc.binary_join_element_wise(quote, doubled, quote, text_scalar(""))
    return pc.if_else(needs_quotes, quoted, texts)


def _text_of(lines: pa.LargeStringArray) -> pa.Buffer:
    """Return the bytes of all strings, one after the other."""
    _, ends, data = lines.buffers()
    first, last = np.frombuffer(ends, np.int64)[[lines.offset, lines.offset + len(lines)]]
    return data.slice(first, last - first)
