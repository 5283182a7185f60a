"""Scores from separate streams of evidence."""

from __future__ import annotations

from curate.methods.streams.method import Streams

__all__ = ["Streams"]
