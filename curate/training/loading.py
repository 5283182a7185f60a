"""Open a finished run for scoring or evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curate.config import Config, parse
from curate.errors import RunError
from curate.files.checkpoint import load_state
from curate.files.digest import sha256_file
from curate.records import ClassSet
from curate.training.building import Networks, build_networks
from curate.training.run_folder import (
    CONFIG_JSON,
    METHOD_NAME,
    PROVENANCE_JSON,
    SEGMENTER_NAME,
    read_finished,
    read_json,
)
from curate.training.splits import read_splits

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A finished run: its settings, its networks with their trained weights, its provenance."""

    path: Path
    run_id: str
    checkpoint_sha256: str
    config: Config
    classes: ClassSet
    networks: Networks
    provenance: dict[str, Any]

    def source_key(self, fingerprint: str) -> str | None:
        """Key of the training data set with this fingerprint; None if it took no part."""
        sources = self.provenance["synthetic"] + self.provenance["real"]
        return next((s["key"] for s in sources if s["fingerprint"] == fingerprint), None)


def load_run(path: Path) -> LoadedRun:
    """Load a run folder.

    Raises
    ------
    RunError
        If the run is missing, unfinished, damaged, or from a newer version.
    """
    record = read_finished(path)
    for name, expected in (
        (SEGMENTER_NAME, record.segmenter_sha256),
        (METHOD_NAME, record.method_sha256),
    ):
        if sha256_file(path / name) != expected:
            msg = (
                f"{path / name} is not the file that was written (its SHA-256 differs). Fit again."
            )
            raise RunError(msg)
    config = parse(Config, read_json(path / CONFIG_JSON), where=str(path / CONFIG_JSON))
    provenance = read_json(path / PROVENANCE_JSON)
    try:
        named = provenance["classes"]
        real_class_px = provenance["real_class_px"]
    except (KeyError, TypeError) as error:
        msg = f"{path / PROVENANCE_JSON} lacks {error}. The run is damaged: fit again."
        raise RunError(msg) from error
    classes = ClassSet(named["name"], tuple(named["names"]))
    networks = build_networks(
        config,
        num_classes=len(classes),
        real_class_px=real_class_px,
        splits=read_splits(path),
        is_restored=True,
    )
    _load_into(networks.segmenter, path / SEGMENTER_NAME)
    _load_into(networks.method, path / METHOD_NAME)
    return LoadedRun(
        path=path,
        run_id=record.run_id,
        checkpoint_sha256=record.checkpoint_sha256,
        config=config,
        classes=classes,
        networks=networks,
        provenance=provenance,
    )


def _load_into(network: nn.Module, path: Path) -> None:
    """Load weights that must fit exactly."""
    tensors: dict[str, Tensor]
    tensors, _ = load_state(path)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        msg = f"{path} does not fit the networks of its run: {error}"
        raise RunError(msg) from error
