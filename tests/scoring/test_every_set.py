from __future__ import annotations

import pytest

from curate.config import DatasetConfig
from curate.errors import UsageError
from curate.files.state import latest_scores
from curate.scores.score_file import ScoreFile
from curate.scoring.every_set import add_up, name_outputs, score_all
from tests.tiny import write_dataset


@pytest.fixture
def project(finished_run, tmp_path):
    """A finished run, in whose place two other synthetic sets are to be scored."""
    config, run = finished_run
    for name, count in (("pool", 2), ("more", 3)):
        write_dataset(tmp_path / name, count, is_flat=True, seed=count)
    sets = (
        DatasetConfig(path=tmp_path / "pool"),
        DatasetConfig(path=tmp_path / "more", name="renders"),
    )
    return config.model_copy(update={"synthetic": sets, "root": tmp_path}), run


def test_every_synthetic_set_gets_a_file_with_its_name(project, tmp_path):
    config, run = project
    results = score_all(tmp_path / "w.h5", config=config, run=run, levels=("image",))
    assert [(each.name, each.scored) for each in results] == [("pool", 2), ("renders", 3)]
    files = [tmp_path / "w.pool.h5", tmp_path / "w.renders.h5"]
    assert [each.out for each in results] == files == latest_scores(tmp_path)
    assert ScoreFile(files[1]).provenance["dataset"]["name"] == "renders"
    whole = add_up(results, tmp_path / "w.h5")
    assert (whole.name, whole.scored, whole.statuses) == ("pool+renders", 5, {"ok": 5})
    assert (whole.out, add_up(results[:1], tmp_path / "w.h5").out) == (tmp_path / "w.h5", files[0])
    with pytest.raises(UsageError, match=r"w\.pool\.h5 exists already: go on with --resume"):
        score_all(tmp_path / "w.h5", config=config, run=run)


def test_what_is_in_the_way_of_the_last_set_is_told_before_the_first_is_scored(project, tmp_path):
    config, run = project
    (tmp_path / "w.renders.h5").write_text("mine")
    with pytest.raises(UsageError, match=r"w\.renders\.h5 exists already"):
        score_all(tmp_path / "w.h5", config=config, run=run)
    assert not (tmp_path / "w.pool.h5").exists()


def test_outputs_are_named_after_the_sets(project, tmp_path):
    config, _ = project
    assert [path.name for path in name_outputs(tmp_path / "w.parquet", config)] == [
        "w.pool.parquet",
        "w.renders.parquet",
    ]
    assert [path.name for path in name_outputs(tmp_path / "w", config)] == ["w-pool", "w-renders"]


def test_sets_that_cannot_be_told_apart_are_refused(project, tmp_path):
    config, _ = project
    same = DatasetConfig(path=tmp_path / "more", name="pool")
    twice = config.model_copy(update={"synthetic": (config.synthetic[0], same)})
    with pytest.raises(UsageError, match=r"two .* are called 'pool': write name"):
        name_outputs(tmp_path / "w.h5", twice)
    with pytest.raises(UsageError, match=r"there is no \[\[synthetic\]\] data set to score"):
        name_outputs(tmp_path / "w.h5", config.model_copy(update={"synthetic": ()}))
