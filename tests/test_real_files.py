"""The promises on real files: CamVid, CARLA and AirSim, in the folder CURATE_TEST_DATA names."""

import os
from pathlib import Path

import numpy as np
import pytest

from curate.config import Config, DatasetConfig
from curate.data.classes import resolve_classes
from curate.data.dataset import open_dataset
from curate.data.pairs import read_pair
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from curate.selection.export import export_subset
from curate.training.fit import fit

FOLDER = os.environ.get("CURATE_TEST_DATA", "")
DATA = Path(FOLDER)
SETS = {
    "camvid/train": ("camvid11", 367),
    "camvid/val": ("camvid11", 101),
    "carla": ("carla-legacy", 479),
    "airsim": ("camvid11", 767),
}

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER, reason="CURATE_TEST_DATA names no folder of real files"),
]


@pytest.mark.parametrize("name", SETS)
def test_every_pair_reads(name):
    id_map, count = SETS[name]
    classes = resolve_classes("camvid11")
    source = open_dataset(DATA / name, id_map=id_map, classes=classes)
    assert len(source.pairs) == count
    for pair in source.pairs[::10]:
        loaded = read_pair(source, pair)
        assert loaded.image.shape[1:] == loaded.label_map.shape
        assert (loaded.label_map != 255).any()


@pytest.mark.slow
def test_the_pipeline_keeps_the_better_third_of_carla(tmp_path):
    config = Config(
        root=tmp_path,
        classes="camvid11",
        real=(DatasetConfig(path=DATA / "camvid/train", id_map="camvid11"),),
        synthetic=(DatasetConfig(path=DATA / "carla", id_map="carla-legacy"),),
    ).with_fit(method="hierarchical", size=(96, 128), steps=30, device="cpu", evaluate_every=10)
    result = fit(config)
    assert result.measured["auroc_image"] > 0.8
    scores = score(DATA / "carla", tmp_path / "weights.h5", config=config)
    assert (scores.scored, scores.failed) == (479, 0)
    file = ScoreFile(scores.out)
    assert np.isfinite(file.images["score"]).all()
    subset = export_subset(scores.out, out=tmp_path / "subset", top="30%")
    assert subset.selected == 144
    classes = resolve_classes("camvid11")
    exported = open_dataset(subset.out, id_map="carla-legacy", classes=classes)
    assert len(exported.pairs) == 144
