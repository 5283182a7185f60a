"""MosaicML's streaming shards (MDS): ``index.json`` and ``shard.00000.mds``.

https://github.com/mosaicml/streaming (``streaming/base/format/mds/writer.py``): the number of
samples, where each begins, how they are encoded, then the samples: the sizes of their columns in
the order of names, and the columns.
"""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np

from curate.selection.dialect import Format, SubsetItem

SHARD_BYTES: Final = 2**26


class MdsFormat(Format):
    """Columns id (text), image, label and, if asked for, weights (images)."""

    label_ids = ("classes", "train")
    media = ("symlink", "hardlink", "copy")

    def start(self) -> None:
        """Say how samples are encoded."""
        kind = "jpeg" if self.plan.image_suffix == ".jpg" else "png"  # decoded by the content
        self._columns = {"id": "str", "image": kind, "label": "png"}
        if self.plan.weight_of_255 is not None:
            self._columns["weights"] = "png"
        self._config: dict[str, Any] = {
            "version": 2,
            "format": "mds",
            "compression": None,
            "hashes": [],
            "size_limit": SHARD_BYTES,
            "column_names": list(self._columns),
            "column_encodings": list(self._columns.values()),
            "column_sizes": [None] * len(self._columns),
        }
        self._samples: list[bytes] = []
        self._bytes = 0
        self._shards: list[dict[str, Any]] = []

    def add(self, item: SubsetItem) -> None:
        """Append a sample."""
        parts = [str(item.describe()["id"]).encode(), item.read_file()[1], self.encode_label(item)]
        if self.plan.weight_of_255 is not None:
            parts.append(self.encode_weights(item))
        sample = np.array([len(part) for part in parts], np.uint32).tobytes() + b"".join(parts)
        if self._samples and self._bytes + len(sample) > SHARD_BYTES:
            self._write_shard()
        self._samples.append(sample)
        self._bytes += len(sample)

    def finish(self) -> None:
        """Write the last shard and the index."""
        if self._samples:
            self._write_shard()
        index = json.dumps({"version": 2, "shards": self._shards}, sort_keys=True)
        self.place.write("index.json", index.encode())

    def _write_shard(self) -> None:
        """Write the samples at hand."""
        config = json.dumps(self._config, sort_keys=True).encode()
        count = len(self._samples)
        first = 4 + 4 * (count + 1) + len(config)
        begins = first + np.cumsum([0, *map(len, self._samples)])
        head = np.array([count, *begins], np.uint32).tobytes() + config
        name = f"shard.{len(self._shards):05d}.mds"
        self.place.write(name, head + b"".join(self._samples))
        raw = {"basename": name, "bytes": first + self._bytes, "hashes": {}}
        self._shards.append(self._config | {"samples": count, "raw_data": raw, "zip_data": None})
        self._samples, self._bytes = [], 0
