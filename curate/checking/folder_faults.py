"""What lies in the folders of a data set beside its pairs: lone labels, other files, splits."""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from curate.checking.problems import Problem, make_problem
from curate.data.layouts.splits import describe_several

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.checking.facts import Survey
    from curate.data.dataset import DataSource

_ENDING: Final = re.compile(r"[._-][A-Za-z][A-Za-z_.-]*$")
_NUM_LISTED: Final = 3


def find_folder_faults(survey: Survey) -> Iterator[Problem]:
    """Yield lone labels, files that are not read, and splits that are mixed."""
    yield from _lone_labels(survey.source)
    yield from _other_files(survey.source)
    yield from _mixed_splits(survey)


def _mixed_splits(survey: Survey) -> Iterator[Problem]:
    """Yield an error where several splits would be taken for one set."""
    listed = describe_several(survey.source.pairs)
    if not listed or survey.side == "synthetic":
        return
    message = (
        f"{survey.name} holds several splits ({listed}); images that are meant for testing would "
        f'be learned from. Choose one: split = "train" under the set\'s table in curate.toml.'
    )
    problem = make_problem("mixed_splits", message, dataset=survey.source.root)
    if survey.side:
        yield problem
    else:  # it is not known what the set is for
        yield Problem(None, problem.code, message, problem.dataset, "warning")


def _lone_labels(source: DataSource) -> Iterator[Problem]:
    """Yield labels that are named as others are, and have no image."""
    used = {pair.label_path for pair in source.pairs}
    images = {pair.image_path for pair in source.pairs}  # both may lie in one folder
    folders = {path.rpartition("/")[0] for path in used if path}
    endings = {_ending(path) for path in used if path}
    for path in _list_files(source, folders):
        is_lone = path.lower().endswith(".png") and path not in used and path not in images
        if is_lone and _ending(path) in endings:
            message = f"{source.root / path} is a label without an image. Add it, or remove this."
            yield make_problem("missing_image", message, file=path, dataset=source.root)


def _ending(path: str) -> str:
    """Return what follows the name proper: ``_gtFine_labelIds`` of ``a_000_gtFine_labelIds.png``.

    Examples
    --------
    >>> _ending("gt/a_000_gtFine_labelIds.png"), _ending("labels/000.png")
    ('_gtFine_labelIds', '')
    """
    stem = path.rpartition("/")[2].rpartition(".")[0]
    match = _ENDING.search(stem)
    return match[0] if match and any(c.isdigit() for c in stem[: match.start()]) else ""


def _other_files(source: DataSource) -> Iterator[Problem]:
    """Yield one warning about files beside the images that are not read."""
    known = {path for pair in source.pairs for path in (pair.image_path, pair.label_path)}
    folders = {pair.image_path.rpartition("/")[0] for pair in source.pairs}
    labels = {pair.label_path.rpartition("/")[0] for pair in source.pairs}
    others = [path for path in _list_files(source, folders - labels) if path not in known]
    if not others:
        return
    suffixes = Counter(os.path.splitext(path)[1].lower() or "no suffix" for path in others)  # noqa: PTH122
    listed = ", ".join(f"{suffix} {count:,}" for suffix, count in suffixes.most_common())
    message = (
        f"{len(others):,} files beside the images of {source.root} are not read ({listed}): "
        f"{', '.join(sorted(others)[:_NUM_LISTED])}{' ..' if len(others) > _NUM_LISTED else ''}. "
        "Convert them if they are images."
    )
    yield make_problem("other_files", message, dataset=source.root)


def _list_files(source: DataSource, folders: set[str]) -> Iterator[str]:
    """Yield the paths of the files in some folders of a data set, hidden ones left out."""
    for folder in sorted(folders):
        try:
            with os.scandir(source.root / folder) as entries:
                names = sorted(
                    e.name for e in entries if not e.name.startswith(".") and _is_file(e)
                )
        except OSError:
            continue
        prefix = f"{folder}/" if folder else ""
        yield from (prefix + name for name in names)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a file, or a link that leads to none."""
    try:
        return not entry.is_dir()
    except OSError:
        return False
