"""What became of the images of a data set, counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from curate import errors, records, reporting

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from curate.scores.columns import ScoredImage


@dataclass(slots=True)
class Tally:
    """Images by status.

    Attributes
    ----------
    statuses : dict of str to int
        Images of each status that occurred, ``ok`` included.
    first_problem : str
        In words; empty without any.
    """

    statuses: dict[str, int] = field(default_factory=dict)
    first_problem: str = ""

    @property
    def scored(self) -> int:
        """Images that were scored."""
        return self.statuses.get(records.OK, 0)

    @property
    def failed(self) -> int:
        """Images that were not."""
        return sum(self.statuses.values()) - self.scored

    def add(self, images: Iterable[ScoredImage]) -> None:
        """Count some images."""
        for image in images:
            self.statuses[image.status] = self.statuses.get(image.status, 0) + 1
            self.first_problem = self.first_problem or image.message

    def include(self, other: Tally) -> None:
        """Count what another process counted."""
        for status, count in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + count
        self.first_problem = self.first_problem or other.first_problem

    def problems(self) -> str:
        """List the problems and how often they occurred: ``2 missing_label, 1 too_small``."""
        failed = (
            (n, status) for status, n in sorted(self.statuses.items()) if status != records.OK
        )
        return ", ".join(f"{n:,} {status}" for n, status in failed)

    def nothing_scored(self, num_images: int, root: Path) -> errors.DataError:
        """Make the error about a data set of which no image could be scored."""
        msg = (
            f"None of the {num_images} images of {root} could be scored ({self.problems()}). "
            f"First problem: {self.first_problem}"
        )
        return errors.DataError(msg, code="nothing_scored")

    def warn(self, reporter: reporting.Reporter) -> None:
        """Say how many images have no score, and why."""
        if self.failed:
            reporter.warn(
                f"{self.failed:,} images have no score ({self.problems()}); they are in the table "
                f"with their status, and --resume tries them again. First: {self.first_problem}"
            )
