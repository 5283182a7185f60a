import numpy as np
import pytest

from curate import errors, reporting
from curate.checking import judgement
from curate.checking.facts import Facts, Stamp, Survey
from curate.checking.versions import find_wrong_versions, suggest_version
from curate.data.classes import resolve_classes
from curate.data.dataset import DataSource, open_dataset
from curate.data.idmap_files import resolve_id_map
from tests.checking import making

CLASSES = resolve_classes("cityscapes19")
REAL = {"road": 0.45, "building": 0.25, "vegetation": 0.1, "sky": 0.2}


def survey(tmp_path, id_map, ids):
    source = DataSource(tmp_path, "carla", resolve_id_map(id_map, CLASSES), CLASSES, (), "s0")
    facts = Facts("a.png", "b.png", Stamp(1, 1, 1, 1), height=1, width=1, ids=ids)
    return Survey(source, (facts,), "synthetic")


@pytest.fixture
def shares():
    return np.array([REAL.get(name, 0) for name in CLASSES.names])


def test_version_by_which_most_real_pixels_have_a_class_is_named(tmp_path, shares):
    # ids 1, 3, 9: building, nothing and vegetation to 0.9.9; road, building, vegetation since .14
    seen = survey(tmp_path, "carla-legacy", {1: 50, 3: 30, 9: 20})
    (problem,) = find_wrong_versions(shares, [seen])
    assert "show building, vegetation: classes that have 35% of the real pixels" in problem.message
    assert "By 'carla-0.9.14', which has the same ids, they would show road, building, vegetation"
    assert "80%" in problem.message


def test_version_in_use_is_kept_where_it_fits_best(tmp_path, shares):
    seen = survey(tmp_path, "carla-0.9.14", {1: 50, 3: 30, 9: 20})
    assert list(find_wrong_versions(shares, [seen])) == []
    assert suggest_version(shares, seen) == ""


def test_version_that_fits_a_little_better_is_a_suggestion_only(tmp_path, shares):
    # ids 3, 6, 9, 11 with 12: road twice, vegetation and bicycle; or a lane marking for 12
    seen = survey(tmp_path, "synthia", {3: 50, 6: 20, 12: 1})
    assert list(find_wrong_versions(shares, [seen])) == []
    assert "By id map 'synthia-seqs'" in suggest_version(shares, seen)


def test_ids_that_the_version_in_use_does_not_know_are_told_elsewhere(tmp_path, shares):
    assert suggest_version(shares, survey(tmp_path, "carla-legacy", {1: 50, 22: 3})) == ""


def look_before(root, shares):
    """Look at a set of CARLA before a run scores it, that learned from real pixels of `shares`."""
    source = open_dataset(root, classes=CLASSES, id_map="carla-legacy")
    judgement.look_before(
        source,
        project=root,
        reporter=reporting.SilentReporter(),
        real_class_px=[int(1000 * share) for share in shares],
    )


def test_set_to_be_scored_is_compared_with_the_real_images_of_the_run(tmp_path, shares):
    making.write_set(tmp_path, 4, seed=0)
    making.edit_all(tmp_path, lambda a: np.array([11, 1, 3, 1], np.uint8)[a])
    with pytest.raises(
        errors.DataError, match=r"By 'carla-0\.9\.14'.*Name it with --id-map"
    ) as info:
        look_before(tmp_path, shares)
    assert info.value.code == "wrong_id_map"


def test_set_to_be_scored_is_not_compared_with_a_run_that_saw_no_real_pixel(tmp_path):
    making.write_set(tmp_path, 4, seed=0)
    making.edit_all(tmp_path, lambda a: np.array([11, 1, 3, 1], np.uint8)[a])
    look_before(tmp_path, np.zeros(len(CLASSES)))
