"""Data sets: find their files, read them, and draw training batches from them.

Everything below is imported when it is first used: listing files needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from curate.data.augmentation import Augmentation, augment, fit_to_size, sample_augmentation
    from curate.data.batches import evaluation_batches, training_batches
    from curate.data.idmaps import IdMap
    from curate.data.images import read_image
    from curate.data.labels import read_label_ids
    from curate.data.layouts import LAYOUTS, detect_layout
    from curate.data.masking import write_masked_label
    from curate.data.reading import LoadedPair, read_pair
    from curate.data.resolution import resolve_id_map
    from curate.data.source import DataSource, default_classes, hash_files, open_dataset
    from curate.data.vocabularies import PUBLISHED_IDS
    from curate.data.workers import load_ahead, telling_of_dead_workers

__all__ = [
    "LAYOUTS",
    "PUBLISHED_IDS",
    "Augmentation",
    "DataSource",
    "IdMap",
    "LoadedPair",
    "augment",
    "default_classes",
    "detect_layout",
    "evaluation_batches",
    "fit_to_size",
    "hash_files",
    "load_ahead",
    "open_dataset",
    "read_image",
    "read_label_ids",
    "read_pair",
    "resolve_id_map",
    "sample_augmentation",
    "telling_of_dead_workers",
    "training_batches",
    "write_masked_label",
]

_MODULES: Final = {
    "LAYOUTS": "layouts",
    "PUBLISHED_IDS": "vocabularies",
    "Augmentation": "augmentation",
    "DataSource": "source",
    "IdMap": "idmaps",
    "LoadedPair": "reading",
    "augment": "augmentation",
    "default_classes": "source",
    "detect_layout": "layouts",
    "evaluation_batches": "batches",
    "fit_to_size": "augmentation",
    "hash_files": "source",
    "load_ahead": "workers",
    "open_dataset": "source",
    "read_image": "images",
    "read_label_ids": "labels",
    "read_pair": "reading",
    "resolve_id_map": "resolution",
    "sample_augmentation": "augmentation",
    "telling_of_dead_workers": "workers",
    "training_batches": "batches",
    "write_masked_label": "masking",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is asked for (PEP 562)."""
    if name not in _MODULES:
        msg = f"module 'curate.data' has no attribute '{name}'"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"curate.data.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """List what can be imported."""
    return __all__
