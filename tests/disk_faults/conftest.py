from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.disk_faults.harness import SHIM_SOURCE, Commands, Project
from tests.tiny import SEGMENTER, write_dataset

CONFIG = f"""
classes = ["ground", "thing", "sky"]
real = [{{ path = "real" }}]
synthetic = [{{ path = "synthetic" }}]
method = {{ inputs = ["image"], min_class_px = 10 }}
augment = {{ scale = [0.8, 1.2], colour = 0.0 }}

[fit]
method = "hierarchical"
segmenter = "{SEGMENTER}"
size = [32, 48]
steps = 6
batch_size = 4
evaluate_every = 3
checkpoint_every = 2
device = "cpu"
"""


@pytest.fixture(scope="session")
def commands(tmp_path_factory):
    """Commands under faults; skips where there is no C compiler, or no way to preload."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler (cc) on Linux, to let calls of the C library fail")
    folder = tmp_path_factory.mktemp("faults")
    shim = folder / "shim.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", shim, SHIM_SOURCE, "-ldl"], check=True
    )
    started = Commands(shim, folder)
    yield started
    started.close()


@pytest.fixture(scope="session")
def unfitted(tmp_path_factory):
    """A project with data sets and settings only."""
    root = tmp_path_factory.mktemp("unfitted")
    write_dataset(root / "real", 4, is_flat=False, seed=1)
    write_dataset(root / "synthetic", 6, is_flat=True, seed=2)
    (root / "curate.toml").write_text(CONFIG)
    return root


def advance(commands, tmp_path_factory, template, name, *arguments):
    """Make a project in which one more command has been run."""
    made = Project(template, tmp_path_factory.mktemp(name) / "project", commands)
    made.reset()
    if arguments:
        done = made.run(*arguments)
        assert done.code == 0, done.err
    return made


@pytest.fixture(scope="session")
def fitted(commands, unfitted, tmp_path_factory):
    return advance(commands, tmp_path_factory, unfitted, "fitted", "fit").path


@pytest.fixture(scope="session")
def scored(commands, fitted, tmp_path_factory):
    arguments = ("score", "synthetic", "--out", "weights.h5")
    return advance(commands, tmp_path_factory, fitted, "scored", *arguments).path
