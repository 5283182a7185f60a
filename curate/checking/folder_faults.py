"""What lies in the folders of a data set beside its pairs: lone labels, other files, splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curate.checking.problems import Problem, make_problem
from curate.data.layouts.splits import describe_several, describe_splits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.checking.facts import Survey


def find_folder_faults(survey: Survey) -> Iterator[Problem]:
    """Yield lone labels, files that are not read, and splits that are mixed or without labels."""
    root, listed = survey.source.root, survey.source.listed
    for path in listed.lone_labels:
        message = f"{root / path} is a label without an image. Add the image, or remove the label."
        yield make_problem("missing_image", message, file=path, dataset=root)
    if listed.others:
        suffixes = ", ".join(f".{suffix} {count:,}" for suffix, count in listed.others.items())
        number = sum(listed.others.values())
        message = (
            f"{number:,} files among the images of {root} have a suffix that is not read "
            f"({suffixes}). Convert them to PNG or JPEG, or ignore this."
        )
        yield make_problem("other_files", message, dataset=root)
    if listed.unlabelled:
        message = (
            f"No image of {describe_splits(listed.unlabelled)} has a label in {root}: published "
            "test sets come without. These images are left out."
        )
        yield make_problem("dummy_labels", message, dataset=root)
    yield from _mixed_splits(survey)


def describe_all_splits(survey: Survey) -> str:
    """Say that all splits of a synthetic set are taken; empty where it has one, or none."""
    counts = describe_several(survey.source.pairs)
    if not counts or survey.side != "synthetic":
        return ""
    return (
        f'{survey.name}: all splits are taken ({counts}); split = "train" under its '
        "[[synthetic]] table would take one."
    )


def _mixed_splits(survey: Survey) -> Iterator[Problem]:
    """Yield an error where several splits would be taken for one set."""
    counts = describe_several(survey.source.pairs)
    if not counts or survey.side == "synthetic":
        return
    root = survey.source.root
    seen = f"{survey.name} holds several splits: {counts}. "
    if survey.side:
        advice = (
            "What is learned from one must not be measured on it: choose one, for example "
            f'split = "train" under its [[{survey.side}]] table in curate.toml.'
        )
        yield make_problem("mixed_splits", seen + advice, dataset=root)
    else:  # it is not known what the set is for
        advice = 'Real images need one of them: split = "train" under their table in curate.toml.'
        yield Problem(None, "mixed_splits", seen + advice, str(root), "warning")
