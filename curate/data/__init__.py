"""Data sets: find their files, read them, and draw training batches from them."""
