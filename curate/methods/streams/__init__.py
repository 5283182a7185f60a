"""Scores from streams: separate small networks, each for one kind of features."""
