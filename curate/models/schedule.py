"""How a learning rate changes over a training."""

from __future__ import annotations

import math


def warmup_cosine(step: int, steps: int) -> float:
    """Share of the peak learning rate: a linear rise over 5 % of the steps, then a half cosine."""
    rise = max(1, steps // 20)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
