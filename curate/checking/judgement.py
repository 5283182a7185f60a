"""Everything that is wrong with some data sets: each by itself, and all together."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from curate import errors, reporting
from curate.checking import (
    coverage,
    file_faults,
    folder_faults,
    label_faults,
    likeness,
    survey,
    versions,
)
from curate.checking.problems import Problem, group, refusals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate.checking.facts import Survey
    from curate.data.dataset import DataSource

MISREAD: Final = ("wrong_id_map", "ids_without_map", "binary_255", "colour_coded")
"""Errors by which a set does not show the classes that it seems to."""


def judge(surveys: Sequence[Survey], *, size: tuple[int, int] | None = None) -> list[Problem]:
    """List all problems of some data sets.

    Parameters
    ----------
    surveys : sequence of Survey
        Duplicates, blank images and leakage are looked for where these are deep.
    size : (int, int), optional
        Height and width that images will be resized to.
    """
    problems: list[Problem] = []
    real, synthetic = (_of_side(surveys, side) for side in ("real", "synthetic"))
    for each in surveys:
        problems += _judge_one(each)
    if size is not None:
        are_fit = [file_faults.fits_size(each, size) for each in real]
        for each in surveys:
            is_other = each.side == "synthetic" and any(are_fit)
            problems += file_faults.find_distortion(each, size, others_fit=is_other)
    problems += label_faults.find_swapped_palettes(surveys)
    is_misread = any(p.code in MISREAD for p in problems)  # then all sides would seem to differ
    if real and synthetic and not is_misread:
        shares = coverage.measure_coverage("", real).shares.tolist()
        wrong = list(versions.find_wrong_versions(shares, synthetic))
        problems += wrong or coverage.find_one_sided(real, synthetic)
    if len({each.side for each in surveys}) > 1:
        problems += likeness.find_leakage(surveys)
    return problems


def look_before(
    source: DataSource,
    *,
    project: Path,
    reporter: reporting.Reporter,
    rows: Sequence[int] | None = None,
    real_class_px: Sequence[int] = (),
) -> None:
    """Look at a set that is about to be scored: refuse it as a whole, or say what is odd.

    Single files that are unfit are left to the work itself, which gives each its status.

    Parameters
    ----------
    rows : sequence of int, optional
        Which pairs to look at; all by default.
    real_class_px : (C,) sequence of int
        Pixels of each class in the real images of the run, by which the version of an id map shows.

    Raises
    ------
    DataError
        If the set cannot be trusted.
    """
    seen = survey.survey(source, project=project, reporter=reporter, rows=rows)
    problems = [p for p in judge([seen]) if p.code != "mixed_splits"]  # all may be scored
    num_px = sum(real_class_px)
    if num_px and not any(p.code in MISREAD for p in problems):
        problems += versions.find_wrong_versions([px / num_px for px in real_class_px], [seen])
    refuse(problems)
    warn_of([p for p in problems if p.severity == "warning"], reporter)


def refuse(problems: Sequence[Problem]) -> None:
    """Refuse the work if a problem is an error of a set as a whole.

    Raises
    ------
    DataError
        With the code of the first one.
    """
    found = refusals(problems)
    if found:
        more = len(found) - 1
        advice = (
            f" ({more} more {'error' if more == 1 else 'errors'} of sets: 'curate check' lists "
            "them.)"
            if more
            else ""
        )
        raise errors.DataError(found[0].message + advice, code=found[0].code)


def warn_of(problems: Sequence[Problem], reporter: reporting.Reporter) -> None:
    """Say each kind of problem that does not refuse the work once, with the first of its kind."""
    left_out = [p for p in problems if p.severity == "error" and p.file is not None]
    for dataset in dict.fromkeys(p.dataset for p in left_out):
        own = [p for p in left_out if p.dataset == dataset]
        codes = ", ".join(f"{n:,} {code}" for code, n in Counter(p.code for p in own).items())
        reporter.warn(f"Left out of {dataset}: {codes}. First: {own[0].message}")
    for kind in group([p for p in problems if p.severity == "warning"]):
        more = f" ({len(kind) - 1:,} more of this kind.)" if len(kind) > 1 else ""
        reporter.warn(f"{kind[0].code}: {kind[0].message}{more}")


def _judge_one(seen: Survey) -> list[Problem]:
    """List the problems of one set."""
    problems = list(label_faults.find_label_faults(seen))
    # ids that no file can be trusted with need not be told file by file
    is_doubtful = any(p.code != "mixed_bit_depth" for p in problems)
    told = list(file_faults.find_file_faults(seen))
    if is_doubtful:
        told = [p for p in told if p.code not in ("unmapped_ids", "all_ignored", "colour_coded")]
        told = [p for p in told if p.code != "mostly_unfit" or not problems]
    problems += told
    problems += folder_faults.find_folder_faults(seen)
    problems += file_faults.find_oddities(seen)
    problems += likeness.find_repeats(seen)
    return problems


def _of_side(surveys: Sequence[Survey], side: str) -> list[Survey]:
    """Pick the sets of one side."""
    return [each for each in surveys if each.side == side]
