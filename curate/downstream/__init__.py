"""Aids for trainers: what a training loop takes from score files."""
