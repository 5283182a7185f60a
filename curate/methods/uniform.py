"""The baseline: every synthetic pixel weighs 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from curate.config import Strict
from curate.methods import protocol

if TYPE_CHECKING:
    from torch import Tensor

    from curate.records import Evidence


class UniformSettings(Strict):
    """``[method]`` of ``uniform``: nothing to set."""


class Uniform(protocol.Method):
    """Joint training without weighting networks."""

    Settings = UniformSettings
    gives_scores: ClassVar[bool] = False

    @classmethod
    def build(cls, settings: Any, context: protocol.MethodContext) -> Uniform:  # noqa: ANN401, ARG003
        """Make the method; it has no parameters."""
        return cls()

    def step(self, evidence: Evidence, *, is_warmup: bool) -> tuple[Tensor, dict[str, float]]:  # noqa: ARG002
        """Weigh every cell 1."""
        return protocol.unit_weights(evidence), {}
