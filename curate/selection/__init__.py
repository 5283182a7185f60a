"""Scores to a training subset: which images, regions or pixels are kept, and where they go."""
