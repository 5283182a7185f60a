"""What tests of remote files share: data sets in fsspec's own memory."""

import fsspec
import pytest

from curate.remote import tree
from curate.remote.paths import as_path


def upload(folder, url):
    """Copy a folder to a URL; return it as a path."""
    target = as_path(url)
    kind, _, place = url.partition("://")
    client = fsspec.filesystem(kind)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            client.pipe_file(f"/{place}/{path.relative_to(folder)}", path.read_bytes())
    return target


@pytest.fixture
def memory():
    """Yield fsspec's memory, empty before and after."""
    client = fsspec.filesystem("memory")
    client.store.clear()
    tree.forget()
    yield client
    client.store.clear()
    tree.forget()
