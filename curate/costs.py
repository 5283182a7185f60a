"""How long `fit` and `score` take, roughly: from what they do, and how fast this machine is."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn import functional

from curate.config import parse
from curate.methods import find_method

if TYPE_CHECKING:
    from curate.config import Config

STEP_S_PER_PX: Final = 1.25e-6
"""A joint step of `uniform`, per pixel of its batch; tests/benchmarks/README.md has the figures."""
SCORE_S_PER_PX: Final = 2.5e-7
"""Scoring an image by a method of one network a level, per pixel of the training size."""
REFERENCE_STEP: Final = 1.12
"""How many times as long a step takes that asks a reference segmenter."""
STREAMS_SCORE: Final = 6.6
"""How many times as long scoring takes with streams."""
STREAMS_S_PER_PX: Final = 2.4e-5
"""Preparing the streams, per pixel of the images that they learn from."""
MOST_PREPARED: Final = (120, 300)
"""Real and synthetic images that are prepared at most."""
PROBE_S: Final = 0.018
"""What the probe takes on one core of the machine of these figures."""
FIGURES_CORES: Final = 2
MOST_CORES: Final = 16
"""More do not help."""
GPU_PACE: Final = 0.05
"""A guess: no figures of a GPU stand behind it."""


def estimate_minutes(
    config: Config, *, num_real: int, num_synthetic: int, num_scored: int
) -> dict[str, float]:
    """Estimate the minutes that ``fit`` and ``score`` take with these settings.

    Right within a factor of two where the segmenter is about as large as the default one and the
    machine has nothing else to do.

    Parameters
    ----------
    num_scored : int
        Images of all sets that are to be scored.
    """
    prepare_s, train_s = estimate_seconds(config, num_real=num_real, num_synthetic=num_synthetic)
    score_s = num_scored * SCORE_S_PER_PX * config.fit.size[0] * config.fit.size[1]
    settings = _settings_of(config)
    if config.fit.method == "streams":
        score_s *= STREAMS_SCORE
    elif hasattr(settings, "reference_steps"):
        score_s *= 1 + settings.folds
    score_s *= _measure_pace()
    return {"fit": round((prepare_s + train_s) / 60, 1), "score": round(score_s / 60, 1)}


def estimate_seconds(config: Config, *, num_real: int, num_synthetic: int) -> tuple[float, float]:
    """Estimate how long ``fit`` prepares, and how long it trains; see `estimate_minutes`."""
    pace = _measure_pace()
    px = config.fit.size[0] * config.fit.size[1]
    step_s = STEP_S_PER_PX * px * config.fit.batch_size
    prepare_s, train_s = 0.0, config.fit.steps * step_s
    settings = _settings_of(config)
    if hasattr(settings, "reference_steps"):
        share = getattr(settings, "reference_share", settings.folds)  # those of streams: each
        most = min(share / settings.folds * config.fit.steps, settings.reference_steps)
        train_s *= REFERENCE_STEP
        prepare_s += settings.folds * most * step_s
    if config.fit.method == "streams":
        prepared = min(num_real, MOST_PREPARED[0]) + min(num_synthetic, MOST_PREPARED[1])
        prepare_s += prepared * STREAMS_S_PER_PX * px
    return pace * prepare_s, pace * train_s


def _settings_of(config: Config) -> Any:  # noqa: ANN401 (each method has its own)
    """Read the settings of the method."""
    method = find_method(config.fit.method)
    return parse(method.Settings, config.method_settings, where="[method]")


@cache
def _measure_pace() -> float:
    """Time a convolution on one core: 2.0 on a machine half as fast as the one of the figures."""
    if torch.cuda.is_available():
        return GPU_PACE
    inputs = torch.ones(4, 32, 90, 120)
    weight = torch.full((32, 32, 3, 3), 0.01, requires_grad=True)
    best_s = float("inf")
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for a busy core would be measured, too
    try:
        for _ in range(5):
            started = time.process_time()  # what others do meanwhile does not count
            torch.autograd.grad(functional.conv2d(inputs, weight, padding=1).sum(), weight)
            best_s = min(best_s, time.process_time() - started)
    finally:
        torch.set_num_threads(before)
    return best_s / PROBE_S * FIGURES_CORES / min(before, MOST_CORES)
