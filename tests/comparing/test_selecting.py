"""A selection holds the best of all synthetic sets together, in labels that mask the rest."""

import numpy as np
import pytest
from PIL import Image

from curate.comparing.arms import Selection
from curate.comparing.selecting import select_synthetic
from curate.config import DatasetConfig
from curate.errors import DataError
from curate.records import IGNORE_INDEX
from curate.scores.score_file import ScoreFile
from curate.training.task import open_task
from tests.tiny import RecordingReporter, write_dataset


@pytest.fixture
def config(finished_run, tmp_path):
    """The settings of a finished run, with a second synthetic set that it has never seen."""
    config, _ = finished_run
    more = write_dataset(tmp_path / "more", 4, is_flat=False, seed=8)
    return config.model_copy(
        update={"synthetic": (*config.synthetic, DatasetConfig(path=more)), "root": tmp_path}
    )


def select(config, run, tmp_path, **options):
    selection = Selection("hierarchical", 30, **options)
    chosen, share = select_synthetic(
        config, selection, run=run, work=tmp_path, seed=1, reporter=RecordingReporter()
    )
    return {d.path.name: d for d in chosen.synthetic}, share


def valid_px(*folders):
    """Pixels of each class that still have a label."""
    total = np.zeros(IGNORE_INDEX + 1, int)
    for path in (path for folder in folders for path in (folder / "labels").iterdir()):
        with Image.open(path) as label:
            total += np.bincount(np.asarray(label).ravel(), minlength=len(total))
    return total[:3]


def test_images_of_all_sets_are_cut_by_one_threshold(config, finished_run, tmp_path):
    subsets, share = select(config, finished_run[1], tmp_path)
    everything, kept = [], []
    for number, folder in enumerate(("subset-0", "subset-1")):
        with ScoreFile(tmp_path / f"scores-{number}.h5") as scores:
            rows = scores.images
        names = [f"images/{p.stem}" for p in (tmp_path / folder / "images").glob("*")]
        everything += rows["score"].tolist()
        kept += rows["score"][rows["id"].isin(names)].tolist()
    assert sorted(kept) == sorted(everything)[-round(0.3 * len(everything)) :]
    assert share == pytest.approx(len(kept) / len(everything))  # all images are of one size
    assert {subset.layout for subset in subsets.values()} == {"folder"}


def test_a_selection_of_one_class_is_not_taken_for_masks(config, finished_run, tmp_path):
    subsets, _ = select(config, finished_run[1], tmp_path)
    for label in (path for d in subsets.values() for path in (d.path / "labels").iterdir()):
        only = np.full((40, 56), IGNORE_INDEX, np.uint8)
        only[:9] = 0
        label.unlink()  # a link to the original
        Image.fromarray(only).save(label)
    chosen = config.model_copy(update={"synthetic": tuple(subsets.values())})
    open_task(chosen, num_folds=1, reporter=RecordingReporter())
    (subsets.popitem()[1].path / "subset.json").unlink()
    with pytest.raises(DataError, match="hold 0 and 255 only"):
        open_task(chosen, num_folds=1, reporter=RecordingReporter())


def test_no_class_is_lost_where_each_keeps_its_share(config, finished_run, tmp_path):
    subsets, _ = select(config, finished_run[1], tmp_path, by="pixel", per_class=True)
    kept = valid_px(*(d.path for d in subsets.values()))
    everything = valid_px(*(d.path for d in config.synthetic))
    assert (abs(kept - 0.3 * everything) <= 0.5).all()


def test_a_control_holds_the_same_pixels_of_each_class(config, finished_run, tmp_path):
    run = finished_run[1]
    best, share = select(config, run, tmp_path, by="region")
    px = valid_px(*(d.path for d in best.values()))
    assert share == pytest.approx(px.sum() / valid_px(*(d.path for d in config.synthetic)).sum())
    drawn, same = select(config, run, tmp_path, by="region", is_random=True)
    assert (valid_px(*(d.path for d in drawn.values())) == px).all()
    assert same == share
