"""WebDataset: tars in which the files of an image follow each other, named by its key.

https://github.com/webdataset/webdataset: ``<key>.jpg``, ``<key>.label.png``, ``<key>.json``; the
key ends at the first dot of a name.
"""

from __future__ import annotations

import json
import tarfile
from io import BytesIO

from curate.selection.dialect import Format, SubsetItem
from curate.selection.placement import taken

TAR_BYTES = 2**30
_BLOCK_BYTES = 512


class WebDatasetFormat(Format):
    """``train-000000.tar`` and so on, of about 1 GiB."""

    label_ids = ("classes", "train")
    media = ("symlink", "hardlink", "copy")

    def start(self) -> None:
        """Begin with no tar."""
        self._tar: tarfile.TarFile | None = None
        self._num_tars = self._bytes = 0
        self._keys: set[str] = set()

    def add(self, item: SubsetItem) -> None:
        """Append the files of one image."""
        key = item.name.replace(".", "_")
        if key in self._keys:
            raise taken(key)
        self._keys.add(key)
        suffix, content = item.read_file()
        self._append(f"{key}{suffix}", content)
        self._append(f"{key}.label.png", self.encode_label(item))
        if self.plan.weight_of_255 is not None:
            self._append(f"{key}.weights.png", self.encode_weights(item))
        self._append(f"{key}.json", json.dumps(item.describe()).encode())
        if self._bytes >= TAR_BYTES:
            self._close()

    def finish(self) -> None:
        """End the last tar, and write what ids mean."""
        self._close()
        self.place.write_json("id2label.json", self.plan.label_ids.names)

    def _append(self, name: str, content: bytes) -> None:
        """Append a file, to a new tar if there is none."""
        if self._tar is None:
            path = f"train-{self._num_tars:06d}.tar"
            self._file = self.open_files.enter_context(self.place.open(path))
            self._tar = tarfile.open(fileobj=self._file, mode="w")  # noqa: SIM115
            self._num_tars += 1
        about = tarfile.TarInfo(name)
        about.size = len(content)
        self._tar.addfile(about, BytesIO(content))
        self._bytes += len(content) + 2 * _BLOCK_BYTES

    def _close(self) -> None:
        """End the tar at hand."""
        if self._tar is not None:
            self._tar.close()
            self._file.close()
        self._tar, self._bytes = None, 0
