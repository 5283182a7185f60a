"""What every method promises to the joint training and to scoring."""

import copy
from functools import partial

import pytest
import torch
from PIL import Image

from curate.config import parse
from curate.errors import ConfigError
from curate.methods import METHODS, MethodContext, Split, find_method
from curate.models import build_segmenter
from curate.records import SCORE_NAMES, Evidence

NUM_CLASSES, NUM_FEATURES = 3, 2
KEYS = ("r0:a", "r0:b", "s0:a", "s0:b")
SEGMENTER = "tests.tiny:make_segmenter"
SETTINGS = {"streams": {"encoder": SEGMENTER, "appearance": ["0"]}}
"""What makes them quick."""


def evidence_of(seed=0, *, shift=0.0):
    """Four images, the synthetic half with predictions moved towards class 0 by `shift`."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, NUM_CLASSES, 6, 8, generator=generator)
    logits[2:, 0] += shift
    return Evidence(
        predictions=logits.softmax(dim=1),
        label_map=torch.randint(0, NUM_CLASSES, (4, 6, 8), generator=generator),
        images=torch.rand(4, 3, 24, 32, generator=generator),
        is_real=torch.tensor([True, True, False, False]),
        keys=KEYS,
        features={"decoder": torch.randn(4, NUM_FEATURES, 6, 8, generator=generator)},
    )


def build(name, splits=None, **settings):
    kind = METHODS[name]
    if name == "label_quality":
        pytest.importorskip("cleanlab")
    torch.manual_seed(0)
    context = MethodContext(
        num_classes=NUM_CLASSES,
        feature_channels={"decoder": NUM_FEATURES},
        real_class_px=[10_000] * NUM_CLASSES,
        splits=splits or {key: Split(held_out=False, fold=0) for key in KEYS},
        build_segmenter=partial(build_segmenter, SEGMENTER, NUM_CLASSES),
        build_encoder=partial(build_segmenter, num_classes=NUM_CLASSES),
    )
    settings = SETTINGS.get(name, {}) | settings
    return kind.build(parse(kind.Settings, settings, where="test"), context)


@pytest.fixture(scope="module", autouse=True)
def maps(tmp_path_factory):
    """Maps of the synthetic images, for the method that is given its weights."""
    folder = tmp_path_factory.mktemp("maps")
    for name, level in (("a", 40), ("b", 200)):
        Image.new("L", (32, 24), level).save(folder / f"{name}.png")
    SETTINGS["given"] = {"maps": str(folder)}


@pytest.fixture(params=sorted(METHODS))
def name(request):
    return request.param


def test_warm_up_weighs_everything_one(name):
    weights, _ = build(name).step(evidence_of(), is_warmup=True)
    assert torch.equal(weights, torch.ones(4, 6, 8))


def test_weights_are_finite_at_least_0_and_detached(name):
    method = build(name)
    for seed in range(3):
        weights, metrics = method.step(evidence_of(seed, shift=2.0), is_warmup=False)
    assert weights.shape == (4, 6, 8)
    assert not weights.requires_grad
    assert bool((weights >= 0).all())
    assert bool((weights[2:] > 0).any())
    assert bool(weights.isfinite().all())
    assert all(isinstance(value, float) for value in metrics.values())


def test_step_is_reproducible(name):
    first, second = build(name), build(name)
    for seed in range(3):
        a, _ = first.step(evidence_of(seed), is_warmup=False)
        b, _ = second.step(evidence_of(seed), is_warmup=False)
    assert torch.equal(a, b)


def test_restored_method_goes_on_as_if_nothing_had_happened(name):
    method = build(name)
    method.step(evidence_of(0, shift=1.0), is_warmup=False)
    method.evaluate([evidence_of(9, shift=1.0)], is_last=False)
    state, training = copy.deepcopy((method.state_dict(), method.training_state()))
    restored = build(name)
    restored.load_state_dict(state)
    restored.load_training_state(training)
    for seed in (1, 2):
        a, _ = method.step(evidence_of(seed, shift=1.0), is_warmup=False)
        b, _ = restored.step(evidence_of(seed, shift=1.0), is_warmup=False)
    assert torch.equal(a, b)


def test_scores_lie_in_the_unit_interval(name):
    method = build(name)
    if not method.gives_scores:
        return
    method.step(evidence_of(), is_warmup=False)
    scores = method.scores(evidence_of(1))
    for level in (scores.image, scores.region, scores.pixel, scores.combined):
        assert level.shape == (4, 6, 8)
        assert bool(((level >= 0) & (level <= 1)).all())


def test_unknown_settings_are_refused(name):
    with pytest.raises(ConfigError, match="unknown key 'smothing'"):
        build(name, smothing=0.1)


def test_unknown_methods_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'hierarchical'"):
        find_method("hierarchic")


def test_streams_are_named_whether_active_or_not(name):
    method = build(name)
    assert len(set(method.streams)) == len(method.streams)
    assert all(map(str.isidentifier, method.streams))
    assert not set(method.streams) & set(SCORE_NAMES)
    if method.gives_scores:
        assert set(method.scores(evidence_of()).streams) <= set(method.streams)
