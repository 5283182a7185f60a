"""What can be wrong with a data set, by code, and how grave it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from curate.checking.facts import Survey

Severity = Literal["error", "warning"]

FILE_ERRORS: Final = (
    "unreadable_image", "unreadable_label", "missing_label", "missing_image", "size_mismatch",
    "unmapped_ids", "all_ignored", "too_small", "too_large", "duplicate_id", "bad_name",
)  # fmt: skip
"""Errors of one file, which is left out."""

SET_ERRORS: Final = (
    "wrong_id_map", "ids_without_map", "binary_255", "mixed_bit_depth", "mixed_palettes",
    "permuted_palette", "colour_coded", "no_shared_class", "ambiguous_layout", "mixed_splits",
    "mostly_unfit",
)  # fmt: skip
"""Errors of the set: nothing is learned from it, and it is not scored."""

WARNINGS: Final = (
    "leakage", "duplicate", "near_duplicate", "blank_image", "one_class", "class_only_real",
    "class_only_synthetic", "aspect_ratio", "rotated", "high_bit_depth", "other_files",
    "dummy_labels",
)  # fmt: skip

LEFT_OUT: Final = (*FILE_ERRORS, "blank_image", "duplicate", "near_duplicate", "leakage")
"""Codes of files that a list of what to leave out names; other warnings are for a person."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes
    ----------
    file : str or None
        Path of the image (of a label without image: of the label) inside its data set; None for
        the set as a whole.
    code : str
        One of `FILE_ERRORS`, `SET_ERRORS` and `WARNINGS`, or the code of the error by which a
        data set could not be opened.
    message : str
        What was seen, what was required, what to do.
    dataset : str
        Folder of the data set; empty where the problem is one of several sets together.
    severity : str
        By its code, unless it is given: ``error`` or ``warning``.
    """

    file: str | None
    code: str
    message: str
    dataset: str = ""
    severity: Severity = field(default="error")

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return asdict(self)


def make_problem(
    code: str, message: str, *, file: str | None = None, dataset: object = ""
) -> Problem:
    """Make a problem of the severity that its code has."""
    severity: Severity = "warning" if code in WARNINGS else "error"
    return Problem(file, code, message, str(dataset), severity)


def set_problem(survey: Survey, code: str, message: str) -> Problem:
    """Make a problem of a whole set."""
    return make_problem(code, message, dataset=survey.source.root)


def how_to_map(survey: Survey) -> str:
    """Say where the id map of a set is named: in curate.toml, or by an option."""
    if survey.side:
        return f'Name it with id_map = ".." under the set\'s [[{survey.side}]] table in curate.toml'
    return "Name it with --id-map of check, score and audit"


def refusals(problems: Iterable[Problem]) -> list[Problem]:
    """Pick the errors that concern a set as a whole."""
    return [p for p in problems if p.severity == "error" and p.file is None]


def group(problems: Sequence[Problem]) -> list[list[Problem]]:
    """Put the problems of one code and one data set together: errors first, those of sets first."""
    groups: dict[tuple[bool, bool, str, str], list[Problem]] = {}
    for each in problems:
        of_file = each.file is not None
        key = (each.severity == "warning", of_file, each.code, each.dataset)
        groups.setdefault(key, []).append(each)
    return [groups[key] for key in sorted(groups, key=lambda key: key[:2])]
