import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curate.auditing.audit import audit
from curate.corruptions import CORRUPTIONS
from curate.demonstration import demo as demo_module
from curate.demonstration.demo import compare_with_truth, demo
from curate.errors import UsageError
from curate.scores.packing import pack
from curate.scores.score_file import ScoreFile
from tests.scores.making import scored_image, write_scores


@pytest.mark.slow
def test_small_demo_runs_every_step(tmp_path, monkeypatch):
    for name, value in (("NUM_REAL", 6), ("NUM_SYNTHETIC", 8), ("NUM_TEST", 2)):
        monkeypatch.setattr(demo_module, name, value)
    few_steps = demo_module.CURATE_TOML.replace("steps = 60", "steps = 4")
    monkeypatch.setattr(demo_module, "CURATE_TOML", few_steps)
    asked = []

    def watched_audit(**settings):
        asked.append(settings)
        return audit(**settings)

    monkeypatch.setattr("curate.auditing.audit.audit", watched_audit)
    result = demo(tmp_path / "demo")
    assert set(result.audit) == {"pixel", "region", "image"}
    assert set(result.miou) == {"all synthetic", "weighted", "best 60%"}
    assert 0 < result.corrupted_share < 1
    assert len(ScoreFile(result.scores).images) == 8
    assert (result.subset / "manifest.csv").exists()
    assert [(settings["run"], settings["real"]) for settings in asked] == [
        (result.run, (tmp_path / "demo/test",))
    ]
    found = result.audit_on_real
    assert (found.images, set(found.corruptions)) == (2, set(CORRUPTIONS))
    assert found.out == tmp_path / "demo/audit.csv"
    assert len(pd.read_csv(found.out)) == len(found.table)
    told = result.to_json()
    assert set(told) >= {"run", "scores", "subset", "audit", "seconds"}
    assert told["audit"] == result.audit
    with Image.open(result.sheet) as picture:
        assert picture.width > 4 * 200
    assert "held-out real images" in result.report.read_text()  # it knows of the audit
    assert told["audit_on_real"]["pixel"]["auroc"] == round(found.value("auroc", "pixel"), 4)
    shutil.rmtree(result.subset)  # as if it had been interrupted here
    shutil.rmtree(tmp_path / "demo/runs/subset")
    again = demo(tmp_path / "demo", resume=True)
    assert (again.miou, again.audit) == (result.miou, result.audit)
    assert len(asked) == 2


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is not empty"):
        demo(tmp_path)


@pytest.fixture
def truth(tmp_path):
    """Image a is sound; of image b the left half is corrupted."""
    folder = tmp_path / "truth"
    folder.mkdir()
    good = np.full((4, 4), 255, dtype=np.uint8)
    half = good.copy()
    half[:, :2] = 0
    Image.fromarray(good).save(folder / "a.png")
    Image.fromarray(half).save(folder / "b.png")
    return folder


def score_file(path, cells_b, scores):
    a, b = (scored_image(name, value, size=(4, 4)) for name, value in scores.items())
    b = replace(b, pixel_scores=pack(np.array(cells_b, dtype=np.uint8)))
    table = replace(b.regions, score=np.array(cells_b[0]) / 255)
    a = replace(a, regions=replace(a.regions, score=np.array([1.0, 1.0])))
    write_scores(path, [a, replace(b, regions=table)])
    return ScoreFile(path)


def test_audit_of_perfect_scores_is_one_at_every_level(tmp_path, truth):
    file = score_file(tmp_path / "w.h5", [[0, 255], [0, 255]], {"a": 1.0, "b": 0.5})
    areas, corrupted = compare_with_truth(file, truth)
    assert areas == {"pixel": 1.0, "region": 1.0, "image": 1.0}
    assert corrupted == 0.25


def test_audit_of_inverted_scores_is_low(tmp_path, truth):
    file = score_file(tmp_path / "w.h5", [[255, 0], [255, 0]], {"a": 0.5, "b": 1.0})
    areas, _ = compare_with_truth(file, truth)
    # sound: 16 pixels at 128 and 8 at 0; corrupted: 8 pixels at 255
    assert areas["pixel"] == 0.0
    assert areas["image"] == 0.0


def test_audit_of_equal_scores_is_chance(tmp_path, truth):
    file = score_file(tmp_path / "w.h5", [[128, 128], [128, 128]], {"a": 0.5, "b": 0.5})
    areas, _ = compare_with_truth(file, truth)
    assert (areas["pixel"], areas["image"]) == (0.5, 0.5)
