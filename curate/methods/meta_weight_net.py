"""Meta-weight-net: a small network makes a cell's weight of its loss, and learns from real cells.

The network is trained to lower the mean loss of the batch's real cells after one step of gradient
descent along the weighted loss of its synthetic ones [1]_. That step is one of the segmenter's last
layer here, for which the real loss after it, and its gradient by the network, are exact.

References
----------
.. [1] Shu et al., "Meta-Weight-Net: Learning an Explicit Mapping For Sample Weighting", NeurIPS
   2019, arXiv 1902.07379.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field

from curate import config, distributed, records
from curate.methods import cellwise, last_layer, protocol


class MetaWeightNetSettings(config.Strict):
    """``[method]`` of ``meta_weight_net``."""

    hidden: int = Field(100, ge=1)
    """Units of the network's only hidden layer."""

    learning_rate: float = Field(1e-3, gt=0)
    """Of the network (Adam)."""

    weight_decay: float = Field(1e-4, ge=0)
    """Of the network."""

    inner_rate: float = Field(0.1, gt=0)
    """Learning rate of the step that is looked ahead."""

    clip: float = Field(4.0, ge=1)
    """Largest multiple of the mean that a weight may have."""


class MetaWeightNet(cellwise.Cellwise):
    """The network, and its training by the meta-gradient."""

    Settings = MetaWeightNetSettings

    def __init__(
        self,
        settings: MetaWeightNetSettings,
        context: protocol.MethodContext,  # noqa: ARG002
    ) -> None:
        super().__init__(clip=settings.clip)
        self.settings = settings
        self.network = torch.nn.Sequential(
            torch.nn.Linear(1, settings.hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(settings.hidden, 1),
            torch.nn.Sigmoid(),
        )
        self._optimizer: torch.optim.Optimizer | None = None

    @classmethod
    def stages(cls, settings: MetaWeightNetSettings) -> tuple[str, ...]:  # noqa: ARG003
        """Name what the last layer is given."""
        return last_layer.STAGES

    def rate(self, evidence: records.Evidence) -> torch.Tensor:
        """Rate cells by their losses."""
        losses = last_layer.losses(evidence.predictions, evidence.label_map)
        rated: torch.Tensor = self.network(losses[..., None])[..., 0]
        return rated

    def rate_synthetic(
        self, evidence: records.Evidence, synthetic: records.Evidence
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Train the network on a step, then rate the step's synthetic cells."""
        optimizer = self._make_optimizer()
        optimizer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            self.surrogate_loss(evidence, synthetic).backward()  # type: ignore[no-untyped-call]
        distributed.sum_gradients(self.network.parameters())
        optimizer.step()
        return self.rate(synthetic), {}

    def surrogate_loss(
        self, evidence: records.Evidence, synthetic: records.Evidence
    ) -> torch.Tensor:
        """Return a scalar with the gradient of the real loss after the step, over its rate.

        The step changes the last layer by ``-rate / n sum_i V_i g_i``, V_i being the rating of cell
        i and g_i its gradient. So the real loss after it falls by ``rate / n <G', g_i>`` where V_i
        rises by 1, G' being the real gradient after the step.
        """
        gradients = last_layer.look(synthetic)
        valid = synthetic.label_map != records.IGNORE_INDEX
        count = distributed.sum_over_ranks(valid.sum()).clamp(min=1)
        ratings = self.rate(synthetic)
        along = last_layer.add_up(gradients, ratings.detach())
        change = self.settings.inner_rate * distributed.sum_over_ranks(along) / count
        total, num_real = last_layer.real_gradient(evidence, change)
        aligned = last_layer.align(gradients, total / num_real.clamp(min=1))
        return -(ratings * aligned).sum() / count

    def training_state(self) -> dict[str, Any]:
        """State of the optimiser."""
        return {"optimizer": self._optimizer.state_dict() if self._optimizer else {}}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` returned."""
        if state["optimizer"]:
            self._make_optimizer().load_state_dict(state["optimizer"])

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """Return the optimiser, made on first use, when the network is on its device."""
        if self._optimizer is None:
            rate, decay = self.settings.learning_rate, self.settings.weight_decay
            parameters = self.network.parameters()
            self._optimizer = torch.optim.Adam(parameters, lr=rate, weight_decay=decay)
        return self._optimizer
