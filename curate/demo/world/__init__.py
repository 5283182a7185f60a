"""The drawn street world that ``curate demo`` works on."""

from __future__ import annotations

from curate.demo.world.palette import CLASS_NAMES
from curate.demo.world.world import WorldPaths, draw_world

__all__ = ["CLASS_NAMES", "WorldPaths", "draw_world"]
