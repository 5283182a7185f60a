from __future__ import annotations

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
        "open_dataset",
        "read_image",
        "read_label_ids",
        "read_pair",
        "resolve_id_map",
        "sample_augmentation",
        "training_batches",
        "write_masked_label",
    ]
    assert all(hasattr(curate.data, name) for name in curate.data.__all__)
