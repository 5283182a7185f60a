import numpy as np
import pytest
import torch
from PIL import Image

from curate.config import load_config, parse
from curate.errors import ConfigError, DataError
from curate.methods import MethodContext, Preparation, Split
from curate.methods.given import Given
from curate.records import Batch, Evidence
from tests.selection.making import CELLS, LABELS, STRIDE, write_scores

MAPS = {"s0:a": [[0, 255], [255, 255]], "s0:b": [[51, 51], [102, 255]]}
"""Of two cells by two; the second image's are .2, .2, .4, 1."""
LABEL_MAP = torch.tensor([[[0, 1], [0, 255]], [[1, 1], [0, 0]]])
"""One cell of the first image is ignored."""
MEAN = (0 + 1 + 1 + 0.2 + 0.2 + 0.4 + 1) / 7


def write_maps(folder, maps=MAPS):
    for key, cells in maps.items():
        path = folder / f"{key.partition(':')[2]}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # finer than the cells: four pixels each
        Image.fromarray(np.array(cells, np.uint8).repeat(2, 0).repeat(2, 1)).save(path)
    return folder


def build(keys=tuple(MAPS), **settings):
    splits = {key: Split(held_out=False, fold=0) for key in ("r0:x", *keys)}
    context = MethodContext(2, {}, [1, 1], splits, lambda: None, lambda _: None)
    return Given.build(parse(Given.Settings, settings, where="test"), context)


def evidence(keys=("r0:x", *MAPS), label_map=None):
    labels = torch.cat([LABEL_MAP[:1], LABEL_MAP]) if label_map is None else label_map
    return Evidence(
        predictions=torch.empty(len(keys), 2, 0, 0),
        label_map=labels,
        images=torch.zeros(len(keys), 3, 8, 8),
        is_real=torch.tensor([key.startswith("r") for key in keys]),
        keys=keys,
    )


def prepare(method, keys=tuple(MAPS), label_map=LABEL_MAP):
    batch = Batch(
        images=torch.zeros(len(keys), 3, 8, 8, dtype=torch.uint8),
        label_map=label_map.repeat_interleave(4, 1).repeat_interleave(4, 2).to(torch.uint8),
        is_real=torch.zeros(len(keys), dtype=torch.bool),
        keys=keys,
    )
    rest = dict.fromkeys(("draw_real", "inject", "choose_superpixels"))
    assert [
        p.is_safe for p in method.prepare(Preparation(batch, batch, **rest, seed=0, num_steps=1))
    ]
    return method


def test_a_weight_is_its_map_over_the_mean_of_the_labelled_cells(tmp_path):
    method = prepare(build(maps=write_maps(tmp_path)))
    weights, metrics = method.step(evidence(), is_warmup=False)
    expected = torch.tensor([[[0, 1], [1, MEAN]], [[0.2, 0.2], [0.4, 1]]]) / MEAN
    assert torch.allclose(weights[1:], expected)
    assert (weights[0] == 1).all()
    labelled = LABEL_MAP != 255
    assert float(weights[1:][labelled].mean()) == pytest.approx(1)
    chosen = expected[labelled]
    assert metrics["ess"] == pytest.approx(float(chosen.sum() ** 2 / (7 * (chosen**2).sum())))


def test_scores_are_the_maps_and_the_rule_leads_to_the_weights(tmp_path):
    method = prepare(build(maps=write_maps(tmp_path)))
    scores = method.scores(evidence())
    assert torch.allclose(scores.combined[2], torch.tensor([[0.2, 0.2], [0.4, 1.0]]))
    assert torch.allclose(scores.image[2], torch.full((2, 2), 0.45))
    weights, _ = method.step(evidence(), is_warmup=False)
    assert torch.allclose(method.weight_rule()(scores.combined)[2], weights[2], atol=1e-5)


def test_each_synthetic_set_may_have_maps_of_its_own(tmp_path):
    one = write_maps(tmp_path / "one", {"s0:a": [[255, 255], [255, 255]]})
    two = write_maps(tmp_path / "two", {"s1:a": [[51, 51], [51, 51]]})
    method = build(keys=("s0:a", "s1:a"), maps=[one, two])
    found = method.scores(evidence(("s0:a", "s1:a"), LABEL_MAP)).combined
    assert found.mean(dim=(1, 2)).tolist() == pytest.approx([1, 0.2])
    with pytest.raises(ConfigError, match="maps names 2 places, but there are more"):
        prepare(build(keys=("s0:a", "s2:a"), maps=[one, two]))


def test_missing_maps_are_counted_before_the_training(tmp_path):
    write_maps(tmp_path, {"s0:a": MAPS["s0:a"]})
    with pytest.raises(
        DataError, match=r"1 of 2 synthetic images have no map in .*first is b\.png"
    ):
        prepare(build(maps=tmp_path))
    with pytest.raises(DataError, match="There is no map of new:a"):
        build(maps=tmp_path).scores(evidence(("new:a",), LABEL_MAP[:1]))


def test_maps_must_be_named():
    with pytest.raises(ConfigError, match="needs maps: name a folder"):
        Given.num_folds(Given.Settings())


def test_what_is_no_map_is_refused(tmp_path):
    write_maps(tmp_path)
    Image.new("RGB", (2, 2)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png is no map: it has colour type 2 and 8 bits"):
        prepare(build(maps=tmp_path))
    write_maps(tmp_path, {key: [[0, 0], [0, 0]] for key in MAPS})
    with pytest.raises(DataError, match="are 0 where a label is"):
        prepare(build(maps=tmp_path))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("pixel_scores", [c / 255 for c in CELLS["images/a"]]),
        ("image_score", [(1 - 0.9) / (1 - 0.2)] * 2),  # over the largest, that of image b
    ],
)
def test_a_score_file_holds_maps_too(tmp_path, column, expected):
    scores = write_scores(tmp_path / "w.h5", tmp_path)
    keys = tuple(f"s0:{name}" for name in LABELS)
    method = build(keys=keys, maps=scores, column=column)
    found = method.scores(evidence(keys[:1], torch.zeros(1, 1, 2, dtype=torch.int64)))
    assert found.combined[0, 0].tolist() == pytest.approx(expected, abs=1e-6)
    assert STRIDE == 8


def test_paths_of_maps_are_relative_to_the_settings(tmp_path):
    (tmp_path / "curate.toml").write_text(
        '[method]\nmaps = "masks"\n[[arm]]\nname = "oracle"\nmethod = "given"\n'
        'settings = { maps = ["a", "b"], column = "score" }\n'
    )
    config = load_config(tmp_path / "curate.toml")
    assert config.method == {"maps": str(tmp_path / "masks")}
    assert config.arm[0].settings == {
        "maps": [str(tmp_path / "a"), str(tmp_path / "b")],
        "column": "score",
    }
