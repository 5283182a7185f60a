"""The paper's method: weighting networks at pixel, region and image level."""

from __future__ import annotations

from curate.methods.hierarchical.method import Hierarchical

__all__ = ["Hierarchical"]
