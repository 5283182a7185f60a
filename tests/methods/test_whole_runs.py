"""Rival methods on the whole way: a tiny run is trained, a data set scored, weights are stored."""

import numpy as np
import pytest

from curate.methods import METHODS
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from curate.training.fit import fit
from tests.tiny import tiny_config

RIVALS = ("label_quality", "learn_to_reweight", "meta_weight_net", "gradient_alignment", "hardness")


@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
def test_run_scores_a_data_set(name, tmp_path):
    if name == "label_quality":
        pytest.importorskip("cleanlab")
    config = tiny_config(tmp_path, method={}, steps=20, warmup=0.2).with_fit(method=name)
    run = fit(config).run
    out = tmp_path / "scores.h5"
    found = score(tmp_path / "synthetic", out, config=config, run=run)
    assert (found.scored, found.failed) == (9, 0)
    scores = ScoreFile(out)
    assert scores.provenance["method"] == name
    pixels = np.stack([scores.pixel_scores(key) for key in scores.image_column("id").to_pylist()])
    assert len(np.unique(pixels)) > 1
    weights = np.asarray(scores.image_column("weight"), np.float64)
    assert 0.3 < weights.mean() < 3
    assert METHODS[name].gives_scores
