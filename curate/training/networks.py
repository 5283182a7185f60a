"""The networks of a run, built from its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from curate.config import Config, Strict, parse
from curate.corruptions import choose_corruptions
from curate.errors import ConfigError, UsageError
from curate.methods import Method, MethodContext, Split, find_method
from curate.models import Segmenter, build_segmenter
from curate.seeding import stable_seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Networks:
    """A segmenter, a method, and the backbone stages that the method looks at."""

    segmenter: Segmenter
    method: Method
    stages: tuple[str, ...]


def build_networks(
    config: Config,
    *,
    num_classes: int,
    real_class_px: Sequence[int],
    splits: Mapping[str, Split],
    is_restored: bool,
) -> Networks:
    """Build untrained networks; the same seed gives the same ones.

    Parameters
    ----------
    is_restored : bool
        Whether weights will be loaded into all of them: no pretrained ones are looked for.

    Raises
    ------
    ConfigError
        If the method, its settings, the segmenter or a backbone stage is unknown.
    """
    kind, settings = _choose_method(config)
    stages = kind.stages(settings)
    torch.manual_seed(stable_seed(config.fit.seed, "segmenter"))
    weights = "none" if is_restored else config.fit.backbone_weights
    segmenter = build_segmenter(config.fit.segmenter, num_classes, weights)
    channels = segmenter.feature_channels(stages, config.fit.size) if stages else {}
    torch.manual_seed(stable_seed(config.fit.seed, "method"))
    context = MethodContext(
        num_classes=num_classes,
        feature_channels=channels,
        real_class_px=real_class_px,
        splits=splits,
        build_segmenter=partial(build_segmenter, config.fit.segmenter, num_classes, weights),
        build_encoder=partial(
            build_segmenter,
            num_classes=num_classes,
            backbone_weights="none" if is_restored else "auto",
        ),
    )
    return Networks(segmenter, kind.build(settings, context), stages)


def check_method(config: Config) -> int:
    """Check all that the method's settings name, before there is any work to lose.

    Returns
    -------
    num_folds : int
        Folds that the images are assigned to.

    Raises
    ------
    ConfigError
        If the method, one of its settings, a backbone stage or a corruption is unknown.
    """
    kind, settings = _choose_method(config)
    if names := kind.corruptions(settings):
        try:
            choose_corruptions(names)
        except UsageError as error:
            msg = f"[method]: corruptions: {error}"
            raise ConfigError(msg) from error
    if stages := kind.stages(settings):
        build_segmenter(config.fit.segmenter, 2, "none").check_stages(stages)
    if encoder := kind.encoder_stages(settings):
        build_segmenter(encoder[0], 2, "none").check_stages(encoder[1])
    return kind.num_folds(settings)


def _choose_method(config: Config) -> tuple[type[Method], Strict]:
    """Look up the method and check its settings."""
    name = config.fit.method
    kind = find_method(name)
    return kind, parse(kind.Settings, config.method, where=f"[method] of {name}")
