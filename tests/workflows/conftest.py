import pytest

from curate.workflows.fit import fit
from tests.workflows.tiny import tiny_config


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A finished tiny run: its config and its folder."""
    root = tmp_path_factory.mktemp("project")
    config = tiny_config(root)
    return config, fit(config).run
