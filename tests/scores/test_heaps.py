from __future__ import annotations

import struct

import pytest

from curate.errors import StoreError
from curate.scores.heaps import GuardedFile
from tests.scores.making import scored_image, write_scores


def read_guarded(path):
    with GuardedFile(path) as file:
        return file.read()


def collection(*objects, size=None):
    """Bytes of a collection of (index, size) objects, their content padded to 8 bytes."""
    body = b"".join(
        struct.pack("<HHIQ", index, 1, 0, length) + bytes(-(-length // 8) * 8 if index else 0)
        for index, length in objects
    )
    return b"GCOL\x01\0\0\0" + struct.pack("<Q", 16 + len(body) if size is None else size) + body


SOUND = {
    "objects": collection((1, 3), (2, 8)),
    "free space at the end": collection((1, 8), (0, 16)),
    "nothing": collection(),
    "less than a header left": collection((1, 0)) + b"1234567",
}
DAMAGED = {
    "free space without a size": collection((1, 3), (0, 0)),
    "free space beyond the end": collection((0, 17)),
    "object beyond the end": collection((1, 8), size=32),
    "size that wraps around": collection((0, 2**64 - 16)),
    "collection without a size": collection((1, 3), size=0),
}


@pytest.mark.parametrize("kind", SOUND)
def test_sound_collections_pass(tmp_path, kind):
    (tmp_path / "f").write_bytes(b"123" + SOUND[kind] + b"456")
    assert read_guarded(tmp_path / "f") == (tmp_path / "f").read_bytes()


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_collections_are_refused_wherever_they_are(tmp_path, kind):
    (tmp_path / "f").write_bytes(b"123" + SOUND["objects"] + DAMAGED[kind] + bytes(64))
    with pytest.raises(StoreError, match="its strings at byte 67 are damaged"):
        read_guarded(tmp_path / "f")


def test_collection_that_goes_on_beyond_what_is_looked_at_passes(tmp_path):
    for length in range(8, len(SOUND["objects"])):
        (tmp_path / "f").write_bytes(SOUND["objects"][:length])
        read_guarded(tmp_path / "f")


def test_strings_of_a_score_file_are_found(tmp_path):
    path = write_scores(tmp_path / "w.h5", [scored_image("a")])
    read_guarded(path)
    content = path.read_bytes()
    start = content.index(b"GCOL\x01\0\0\0")
    path.write_bytes(content[: start + 16] + bytes(16) + content[start + 32 :])
    with pytest.raises(StoreError, match="its strings at byte"):
        read_guarded(path)
