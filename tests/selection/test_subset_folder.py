from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from curate.errors import UsageError
from curate.scores.score_file import ScoreFile
from curate.selection.export import export_subset
from curate.selection.formats import FORMATS
from tests.selection.formats.conftest import Drawn
from tests.selection.formats.readers import READERS
from tests.selection.formats.test_contract import assert_equal


@pytest.mark.slow
@pytest.mark.parametrize("layout", FORMATS)
def test_several_sets_become_one_with_a_folder_each(tmp_path, out, layout):
    sets = {name: Drawn(tmp_path / name, seed=seed) for seed, name in enumerate(("x", "y"))}
    files = [drawn.scores for drawn in sets.values()]
    export_subset(files, out=out, top="100%", format=layout)
    expected = {
        f"{s}_{name}": pair for s, drawn in sets.items() for name, pair in drawn.truth.items()
    }
    if layout == "original":
        assert_equal(READERS[layout](out / "y"), sets["y"].truth)
    else:
        assert_equal(READERS[layout](out), expected)


def test_weights_of_several_sets_share_one_scale(tmp_path, out):
    """Each file has mean 1; together the set that was given twice the weight keeps its lead."""
    sets = [Drawn(tmp_path / name, weight=weight) for name, weight in (("x", 0.25), ("y", 0.75))]
    export_subset(
        [drawn.scores for drawn in sets], out=out, top="100%", format="folder", weight_maps=True
    )
    (scale,) = json.loads((out / "weights.json").read_text()).values()
    assert scale == 1 / 0.5
    for drawn, mean in zip(sets, (0.25, 0.75), strict=True):
        with ScoreFile(drawn.scores) as file:
            own = file.weight_map("images/a")
        with Image.open(out / f"weights/{drawn.root.parent.name}/a.png") as weights:
            np.testing.assert_allclose(
                np.asarray(weights) * scale / 255, own * mean / 0.5, rtol=1e-6
            )


def test_resume_leaves_what_was_finished_and_refuses_what_is_another_subset(tmp_path, out):
    """A process may be killed between the last file and its end."""
    scores = Drawn(tmp_path / "x").scores
    asked = {"top": "50%", "control": "random", "control_out": tmp_path / "chance"}
    first = export_subset(scores, out=out, **asked)
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert export_subset(scores, out=out, resume=True, **asked) == first
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    with pytest.raises(UsageError, match="exists already"):
        export_subset(scores, out=out, resume=True, **asked | {"top": "100%"})
    shutil.rmtree(tmp_path / "chance")
    assert export_subset(scores, out=out, resume=True, **asked) == first
    assert (tmp_path / "chance" / "subset.json").exists()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="mine"):
        export_subset(scores, out=out, resume=True, **asked)
