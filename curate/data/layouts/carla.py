"""Recordings of the CARLA simulator: ids are in the red channel."""

from __future__ import annotations

from typing import Final

from curate.data.layouts.base import Layout

CARLA: Final = Layout(name="carla", images="CameraRGB", labels="CameraSeg", id_maps={"": "carla"})
