"""Data sets: find their files, read them, and draw training batches from them."""

from __future__ import annotations

from curate.data.augmentation import Augmentation, augment, fit_to_size, sample_augmentation
from curate.data.batches import evaluation_batches, training_batches
from curate.data.idmaps import IdMap
from curate.data.images import read_image
from curate.data.labels import read_label_ids
from curate.data.layouts import LAYOUTS, detect_layout
from curate.data.masking import write_masked_label
from curate.data.reading import LoadedPair, read_pair
from curate.data.resolution import resolve_id_map
from curate.data.source import DataSource, default_classes, open_dataset
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
