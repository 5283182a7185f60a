"""The drawn street world that ``curate demo`` works on."""

from __future__ import annotations

from curate.demonstration.world.canvas import CLASS_NAMES
from curate.demonstration.world.world import WorldPaths, draw_world

__all__ = ["CLASS_NAMES", "WorldPaths", "draw_world"]
