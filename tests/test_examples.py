"""Training loops that know nothing of curate use what it writes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from curate.scoring.score import score
from curate.selection.export import export_subset

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, *args):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [float(line.split()[-1]) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def scored(finished_run, tmp_path_factory):
    config, _ = finished_run
    out = tmp_path_factory.mktemp("scores") / "weights.h5"
    score(config.root / "synthetic", out, config=config)
    return config.root / "synthetic", out


@pytest.mark.parametrize("by", [pytest.param("image", marks=pytest.mark.slow), "pixel"])
def test_a_foreign_loop_trains_on_the_exported_subset(scored, tmp_path, by):
    export_subset(scored[1], out=tmp_path / "subset", top="50%", by=by)
    losses = run("train_on_subset.py", tmp_path / "subset", "--classes", 3, "--steps", 12)
    assert losses[-1] < 0.8 * losses[0]


def test_a_foreign_loop_weighs_its_loss_with_h5py_alone(scored):
    losses = run("weigh_pixels.py", *scored, "--classes", 3, "--steps", 12)
    assert losses[-1] < 0.8 * losses[0]


def test_examples_import_nothing_of_ours():
    for path in EXAMPLES.glob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
        assert "torch" in names, path
        assert "curate" not in names, path
