"""Opening the score files that a command is about: of one run, each with its data set."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from curate import errors, remote
from curate.scores.provenance import refuse_other_runs
from curate.scores.schema import stream_column
from curate.scores.score_file import ScoreFile
from curate.selection.source import SubsetSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path


def open_sources(
    stack: ExitStack,
    scores: Sequence[Path | str],
    *,
    dataset: Path | str | None = None,
    rank_by: str | None = None,
) -> list[SubsetSource]:
    """Open score files until the end of a block.

    Parameters
    ----------
    stack : ExitStack
        Closes them.
    dataset : Path, optional
        Where the data set of the only file is now, if it was moved.
    rank_by : str, optional
        What ranks; by default what the file itself says.

    Raises
    ------
    StoreError
        If a file is unfit, or they are not of one run.
    UsageError
        If none is given, one is named twice, or `dataset` is given for several.
    """
    if not scores:
        msg = "no score file is named. Name one that 'curate score' wrote."
        raise errors.UsageError(msg)
    if dataset is not None and len(scores) > 1:
        msg = (
            f"--dataset {dataset} says where one data set is, and there are {len(scores)} score "
            "files. Leave it out, or name one file."
        )
        raise errors.UsageError(msg)
    files = [stack.enter_context(ScoreFile(remote.as_path(path))) for path in scores]
    path, times = Counter(file.path for file in files).most_common(1)[0]
    if times > 1:
        msg = f"{path} is named twice. Name each score file once."
        raise errors.UsageError(msg)
    paths = [file.path for file in files]
    refuse_other_runs([file.provenance for file in files], paths, "Take together")
    return [
        SubsetSource(
            file,
            remote.real_path(dataset or file.dataset_root),
            str(rank_by or file.provenance.get("rank_by", "score")).removeprefix(stream_column("")),
            is_joined=len(files) > 1,
        )
        for file in files
    ]
