"""A score file that curate 0.1.0 wrote opens, whatever is changed since."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curate.scores.score_file import ScoreFile

FOLDER = Path(__file__).parent / "old"


@pytest.fixture(params=["scores-0.1.0.h5", "scores-0.1.0.parquet"])
def scores(request):
    return ScoreFile(FOLDER / request.param)


def test_tables_of_an_old_file_open(scores):
    assert scores.provenance["versions"]["curate-seg"] == "0.1.0"
    assert scores.images["id"].tolist() == ["images/000", "images/001"]
    assert scores.images["status"].tolist() == ["ok", "missing_label"]
    assert scores.images["score"].round(6).tolist()[0] == 0.495439
    assert scores.regions["class_id"].tolist() == [2, 0, 1]
    assert scores.class_px.tolist() == [[1200, 144, 896], [0, 0, 0]]
    np.testing.assert_allclose(scores.class_score[0], [0.495623, 0.495659, 0.495158], atol=1e-6)


def test_maps_of_an_old_file_open():
    scores = ScoreFile(FOLDER / "scores-0.1.0.h5")
    assert scores.pixel_scores("images/000").shape == (10, 14)
    assert int(scores.pixel_scores("images/000").sum()) == 17640
    assert np.unique(scores.region_ids("images/000")).tolist() == [0, 1, 2]
    assert scores.score_map("images/000").shape == (40, 56)
