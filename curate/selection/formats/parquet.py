"""Parquet with images and labels inside, as Hugging Face's ``datasets`` writes it.

https://huggingface.co/docs/datasets/image_load: a column of images holds ``bytes`` and ``path``;
which columns are images stands in the schema's metadata under ``huggingface``.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from curate.selection.dialect import Format, SubsetItem

GROUP_BYTES: Final = 64 * 2**20
FILE_BYTES: Final = 512 * 2**20

_IMAGE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class ParquetFormat(Format):
    """``data/train-00000.parquet`` and so on; columns image, label, id, score, weight."""

    label_ids = ("classes", "train")
    media = ("symlink", "hardlink", "copy")

    def start(self) -> None:
        """Describe the columns."""
        images = ["image", "label", *(["weights"] if self.plan.weight_of_255 is not None else [])]
        plain = {"id": pa.string(), "score": pa.float32(), "weight": pa.float32()}
        types = dict.fromkeys(images, _IMAGE) | plain
        features: dict[str, Any] = {
            name: {"_type": "Image"} if name in images else {"dtype": str(kind), "_type": "Value"}
            for name, kind in types.items()
        }
        about = {
            "huggingface": json.dumps({"info": {"features": features}}),
            "id2label": json.dumps(self.plan.label_ids.names),
        }
        self._schema = pa.schema(list(types.items()), metadata=about)
        self._rows: list[dict[str, Any]] = []
        self._writer: pq.ParquetWriter | None = None
        self._num_files = self._group_bytes = self._file_bytes = 0

    def add(self, item: SubsetItem) -> None:
        """Add a row; write the rows once there are enough."""
        suffix, content = item.read_file()
        files = {"image": (suffix, content), "label": (".png", self.encode_label(item))}
        if self.plan.weight_of_255 is not None:
            files["weights"] = (".png", self.encode_weights(item))
        row = item.describe() | {
            name: {"bytes": content, "path": f"{item.flat_name}{suffix}"}
            for name, (suffix, content) in files.items()
        }
        self._rows.append(row)
        self._group_bytes += sum(len(content) for _, content in files.values())
        if self._group_bytes >= GROUP_BYTES:
            self._write_group()

    def finish(self) -> None:
        """Write the last rows."""
        self._write_group()
        if self._writer is not None:
            self._close(self._writer)

    def _write_group(self) -> None:
        """Write the rows at hand, and begin another file if this one is large."""
        if not self._rows:
            return
        if self._writer is None:
            path = f"data/train-{self._num_files:05d}.parquet"
            self._file = self.open_files.enter_context(self.place.open(path))
            self._writer = pq.ParquetWriter(self._file, self._schema)
            self._num_files += 1
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._file_bytes += self._group_bytes
        self._rows, self._group_bytes = [], 0
        if self._file_bytes >= FILE_BYTES:
            self._close(self._writer)

    def _close(self, writer: pq.ParquetWriter) -> None:
        """End a file."""
        writer.close()
        self._file.close()
        self._writer, self._file_bytes = None, 0
