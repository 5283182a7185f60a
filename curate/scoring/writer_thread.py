"""A thread that writes finished scores, so that computing never waits for the disk."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.scores import columns
    from curate.scores.writer import ScoreWriter


PIECE_IMAGES: Final = 128
"""Images that are written together; at most these are lost when the process is killed."""

PIECE_BYTES: Final = 2**26
"""Bytes of packed maps after which a piece is written even if it has fewer images."""

_QUEUED: Final = 16


class WriterThread:
    """Context in which scores are handed to a writer by a thread of its own.

    Whatever was handed over is written at the end of the block, also when the block is left by an
    error or an interruption. An error of the writer is raised by the next `put`, or at the end.

    Attributes
    ----------
    busy_seconds : float
        Time spent on writing.
    """

    def __init__(self, writer: ScoreWriter) -> None:
        self.busy_seconds = 0.0
        self._writer = writer
        self._queue: queue.Queue[Sequence[columns.ScoredImage] | None] = queue.Queue(_QUEUED)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="curate-writer", daemon=True)

    def put(self, images: Sequence[columns.ScoredImage]) -> None:
        """Hand over some images; wait if the disk cannot keep up.

        Raises
        ------
        StoreError
            If something handed over earlier could not be written.
        """
        self._raise_error()
        self._queue.put(images)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if error is None:
            self._raise_error()

    def _raise_error(self) -> None:
        """Raise what went wrong in the thread, if anything did."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        """Collect images to pieces; after an error only empty the queue, so that no one waits."""
        piece: list[columns.ScoredImage] = []
        while (images := self._queue.get()) is not None:
            piece += images
            size = sum(map(_map_bytes, piece))
            if len(piece) >= PIECE_IMAGES or size >= PIECE_BYTES:
                self._write(piece)
                piece = []
        self._write(piece)

    def _write(self, piece: Sequence[columns.ScoredImage]) -> None:
        """Write a piece, unless an earlier one failed."""
        if self._error is not None:
            return
        started = time.perf_counter()
        try:
            self._writer.append(piece)
        except BaseException as error:  # noqa: BLE001 (raised again by the main thread)
            self._error = error
        self.busy_seconds += time.perf_counter() - started


def _map_bytes(image: columns.ScoredImage) -> int:
    """Count the bytes of an image's packed scores."""
    maps = (image.pixel_scores, image.pixel_weights, *image.stream_scores.values())
    return sum(len(packed.data) for packed in maps if packed)
