"""Build the networks of a run from its configuration, and load those of a finished one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from curate.config import Config, parse
from curate.methods import Method, MethodContext, Split, find_method
from curate.models import Segmenter, build_segmenter, build_weighter
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
    backbone_weights: str,
) -> Networks:
    """Build untrained networks; the same seed gives the same ones.

    Raises
    ------
    ConfigError
        If the method, its settings, the segmenter or a backbone stage is unknown.
    """
    kind = find_method(config.fit.method)
    settings = parse(kind.Settings, config.method, where="[method]")
    stages = kind.stages(settings)
    torch.manual_seed(stable_seed(config.fit.seed, "segmenter"))
    segmenter = build_segmenter(config.fit.segmenter, num_classes, backbone_weights)
    channels = segmenter.feature_channels(stages, config.fit.size) if stages else {}
    torch.manual_seed(stable_seed(config.fit.seed, "method"))
    context = MethodContext(
        num_classes=num_classes,
        feature_channels=channels,
        real_class_px=real_class_px,
        splits=splits,
        build_weighter=build_weighter,
        build_segmenter=partial(
            build_segmenter, config.fit.segmenter, num_classes, backbone_weights
        ),
    )
    return Networks(segmenter, kind.build(settings, context), stages)


def count_folds(config: Config) -> int:
    """Folds that the configured method deals its images to; checks the method's settings."""
    kind = find_method(config.fit.method)
    return kind.num_folds(parse(kind.Settings, config.method, where="[method]"))
