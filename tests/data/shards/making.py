"""Write small shards, as their own tools do as far as these are here."""

from __future__ import annotations

import io
import json
import struct
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.data.making import full


def encode(array, kind="PNG"):
    """Encode an image."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


IMAGE, LABEL = encode(full((1, 2, 3))), encode(full(3))


def write_tar(path, members, mode="w"):
    """Write a tar of name -> bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return path


def write_parquet(path, rows, *, columns=("image", "label"), group_rows=2):
    """Write a table of image structs, a row for each tuple of bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    arrays = [
        pa.array([{"bytes": row[i], "path": None} for row in rows], kind)
        for i, _ in enumerate(columns)
    ]
    more = pa.array([f"text {i}" for i in range(len(rows))])
    table = pa.Table.from_arrays([*arrays, more], names=[*columns, "caption"])
    pq.write_table(table, path, row_group_size=group_rows)
    return path


def write_mds(folder, rows, *, columns=("image", "label"), name="shard.00000.mds"):
    """Write a shard by hand: an int64 column first, then images of varying size."""
    samples = []
    for number, row in enumerate(rows):
        sizes = struct.pack(f"<{len(row)}I", *map(len, row))
        samples.append(sizes + struct.pack("<q", number) + b"".join(row))
    start = 4 * (len(rows) + 2)
    ends = np.cumsum([start, *map(len, samples)])
    head = struct.pack(f"<{len(rows) + 2}I", len(rows), *ends.tolist())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(head + b"".join(samples))
    about = {
        "column_names": ["id", *columns],
        "column_encodings": ["int", *["png"] * len(columns)],
        "column_sizes": [8, *[None] * len(columns)],
        "format": "mds",
        "raw_data": {"basename": name},
        "samples": len(rows),
    }
    (folder / "index.json").write_text(json.dumps({"shards": [about], "version": 2}))
    return folder / name
