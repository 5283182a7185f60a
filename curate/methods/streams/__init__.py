"""Scores from separate streams of evidence."""

from curate.methods.streams.method import Streams

__all__ = ["Streams"]
