"""Checksums of files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from curate.files.disk_errors import disk_errors

if TYPE_CHECKING:
    from pathlib import Path


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises
    ------
    StoreError
        If the file cannot be read.
    """
    with disk_errors("read", path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
