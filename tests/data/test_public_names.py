from __future__ import annotations

import subprocess
import sys

import curate.data


def test_public_names():
    assert curate.data.__all__ == [
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
    assert all(hasattr(curate.data, name) for name in curate.data.__all__)


def test_listing_and_hashing_files_need_no_torch():
    code = "import sys; from curate.data import open_dataset; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
