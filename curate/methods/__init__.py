"""Weighting methods: how much is each synthetic pixel worth."""

from __future__ import annotations

from typing import Final

from curate.errors import ConfigError, did_you_mean
from curate.methods import (
    gradient_alignment,
    hardness,
    label_quality,
    learn_to_reweight,
    meta_weight_net,
)
from curate.methods.confidence import Confidence
from curate.methods.controls import CONTROLS, controlled
from curate.methods.given import Given
from curate.methods.hierarchical.method import Hierarchical
from curate.methods.protocol import Injected, Method, MethodContext, Preparation, Progress, Split
from curate.methods.streams.method import Streams
from curate.methods.uniform import Uniform

__all__ = [
    "CONTROLS",
    "METHODS",
    "Injected",
    "Method",
    "MethodContext",
    "Preparation",
    "Progress",
    "Split",
    "find_method",
]

METHODS: Final[dict[str, type[Method]]] = {
    "confidence": Confidence,
    "given": Given,
    "gradient_alignment": gradient_alignment.GradientAlignment,
    "hardness": hardness.Hardness,
    "hierarchical": Hierarchical,
    "label_quality": label_quality.LabelQuality,
    "learn_to_reweight": learn_to_reweight.LearnToReweight,
    "meta_weight_net": meta_weight_net.MetaWeightNet,
    "streams": Streams,
    "uniform": Uniform,
}


def find_method(name: str) -> type[Method]:
    """Look up a method by name, or a control of it, as ``streams:permuted``.

    Raises
    ------
    ConfigError
        If there is none; the message lists the known ones.
    """
    base, _, control = name.partition(":")
    if base in METHODS and control in ("", *CONTROLS):
        return controlled(METHODS[base], control) if control else METHODS[base]
    hint = did_you_mean(name, METHODS, cutoff=0.5)
    msg = f"method = '{name}' is unknown. Known methods: {', '.join(METHODS)}. {hint}"
    raise ConfigError(msg.rstrip())
