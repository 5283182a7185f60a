"""Tallies of an unfinished audit, kept on the disk so that a killed one can go on."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from curate import errors, reporting
from curate.auditing import audited_images, measures
from curate.files import checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FOLDER_NAME: Final = "audits"
_TABLES: Final = ("sound_px", "corrupted_px")
_LISTS: Final = ("region_scores", "region_shares")
_NUMBERS: Final = ("score", "share")


class KeptTallies:
    """Tallies by block of cases, a file each: whole and with a checksum, or not there.

    Parameters
    ----------
    folder : Path
        Holds unfinished audits, a folder each.
    about : dict
        Plain values that everything measured depends on; audits that differ in any share nothing.
    images : sequence of RealImage
        What corruptions are injected into.
    resume : bool
        Whether what an earlier call left is used; otherwise it is removed.
    reporter : Reporter
        Is told once if nothing can be kept.
    """

    def __init__(
        self,
        folder: Path,
        about: Mapping[str, Any],
        images: Sequence[audited_images.RealImage],
        *,
        resume: bool,
        reporter: reporting.Reporter,
    ) -> None:
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
        for image in images:
            digest.update(f"\0{image.key}\0{image.shrinkage!r}\0".encode())
            digest.update(image.image.tobytes())
            digest.update(image.label_map.tobytes())
        self.path = folder / digest.hexdigest()[:16]
        self._reporter = reporter
        self._is_kept = True
        if not resume:
            self.remove()

    def read(self, block: int) -> list[measures.ImageTally] | None:
        """Return the tallies of a block, None where they are missing or damaged."""
        if not self._file(block).exists():
            return None
        try:
            tensors, _ = checkpoint.load_state(self._file(block))
        except errors.RunError as error:
            self._reporter.warn(f"{error} This part of the audit is measured again.")
            return None
        found = {name: tensor.numpy() for name, tensor in tensors.items()}
        ends = np.cumsum(found["num_regions"])[:-1]
        lists = {name: np.split(found[name], ends) for name in _LISTS}
        return [
            measures.ImageTally(
                *(found[name][row] for name in _TABLES),
                *(lists[name][row] for name in _LISTS),
                *(float(found[name][row]) for name in _NUMBERS),
            )
            for row in range(len(found["score"]))
        ]

    def write(self, block: int, tallies: Sequence[measures.ImageTally]) -> None:
        """Keep the tallies of a block; on a disk that refuses, nothing more is kept."""
        if not self._is_kept:
            return
        columns: dict[str, Any] = {
            **{name: np.stack([getattr(each, name) for each in tallies]) for name in _TABLES},
            **{name: np.concatenate([getattr(each, name) for each in tallies]) for name in _LISTS},
            **{name: np.array([getattr(each, name) for each in tallies]) for name in _NUMBERS},
            "num_regions": np.array([len(each.region_scores) for each in tallies]),
        }
        tensors = {name: torch.from_numpy(values) for name, values in columns.items()}
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            checkpoint.save_state(self._file(block), tensors, {})
        except (OSError, errors.StoreError) as error:
            self._is_kept = False
            self._reporter.warn(
                f"What is measured cannot be kept, so an interrupted audit cannot go on: {error}"
            )

    def remove(self) -> None:
        """Remove what is kept."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _file(self, block: int) -> Path:
        return self.path / f"block-{block:05d}.safetensors"
