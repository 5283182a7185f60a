"""A control holds the same pixels of each class, but not those that the scores chose."""

from itertools import chain

import pytest

from curate.errors import StoreError, UsageError
from curate.selection.export import export_jointly, export_subset
from tests.selection.making import LABELS, Warnings, class_px, label_ids, manifest, write_scores


@pytest.fixture
def larger(tmp_path, root):
    """Another data set with scores of the same run, its images copies of the first one's."""
    other = tmp_path / "other"
    for path in sorted(root.rglob("*.png")):
        target = other / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return write_scores(tmp_path / "other.h5", other)


@pytest.mark.parametrize("by", ["image", "region", "pixel"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_control_has_the_same_pixels_of_each_class(scores, tmp_path, by, seed):
    chosen, drawn = tmp_path / "chosen", tmp_path / "drawn"
    first = export_subset(scores, out=chosen, by=by, top="40%")
    control = export_subset(scores, out=drawn, by=by, top="40%", control="random", seed=seed)
    assert class_px(drawn) == class_px(chosen)
    assert control.pixels_kept == sum(class_px(drawn).values())
    assert control.pixels_total == first.pixels_total


def test_a_control_is_drawn_by_its_seed_and_not_by_the_scores(scores, tmp_path):
    def drawn(seed):
        out = tmp_path / "out"
        export_subset(scores, out=out, by="region", top="40%", control="random", seed=seed,
                      overwrite=True)  # fmt: skip
        return [row["kept_px"] for row in manifest(out).values()]

    assert drawn(3) == drawn(3)
    assert len({tuple(drawn(seed)) for seed in range(8)}) > 1


def test_whole_images_are_drawn_until_their_classes_are_used_up(scores, out):
    # the best image, a, holds 4 blocks of id 7 and 3 of id 8
    export_subset(scores, out=out, count=1, control="random", seed=1)
    found = {name: label_ids(out, name) for name in "abc" if (out / f"labels/{name}.png").exists()}
    assert class_px(out) == {7: 4 * 16, 8: 3 * 16}
    for name, ids in found.items():
        originals = chain.from_iterable(LABELS[f"images/{name}"])
        for original, kept in zip(originals, chain.from_iterable(ids), strict=True):
            assert kept in (original, 255)


def test_several_sets_are_cut_as_one(scores, larger, tmp_path):
    # scores of both: .9, .2, .5; the best third of six are both .9
    outs = [tmp_path / "one", tmp_path / "two"]
    for by, top in (("image", "34%"), ("region", "25%"), ("pixel", "25%")):
        results = export_jointly(
            [scores, larger], outs, by=by, top=top, media="copy", overwrite=True,
            reporter=Warnings(),
        )  # fmt: skip
        kept = [result.pixels_kept for result in results]
        assert {r.out for r in results} == set(outs)
        if by == "image":
            assert [r.images_selected for r in results] == [1, 1]
        if by == "pixel":  # to the very number; of equal scores the first set's pixels
            assert sum(kept) == round(0.25 * 2 * 21 * 16)
            assert kept[0] >= kept[1]


def test_a_set_of_which_nothing_is_kept_is_not_written(scores, larger, tmp_path):
    outs = [tmp_path / "one", tmp_path / "two"]
    results = export_jointly([scores, larger], outs, count=1)
    assert [result.selected for result in results] == [1, 0]
    assert (outs[0].exists(), outs[1].exists()) == (True, False)


def test_a_control_of_several_sets_is_drawn_from_all(scores, larger, tmp_path):
    outs = [tmp_path / "one", tmp_path / "two"]
    chosen = [tmp_path / "a", tmp_path / "b"]
    export_jointly([scores, larger], chosen, by="region", top="50%")
    export_jointly([scores, larger], outs, by="region", top="50%", control="random")
    assert class_px(*outs) == class_px(*chosen)


def test_scores_of_another_run_are_not_cut_together(scores, root, tmp_path):
    other = write_scores(tmp_path / "other.h5", root, run="elsewhere")
    with pytest.raises(
        StoreError, match=r"these differ: run\..*Take together only what was scored"
    ):
        export_jointly([scores, other], [tmp_path / "a", tmp_path / "b"], top="50%")


def test_an_unknown_control_is_refused(scores, out):
    with pytest.raises(UsageError, match=r".rnadom. is no control: use random"):
        export_subset(scores, out=out, top="50%", control="rnadom")
