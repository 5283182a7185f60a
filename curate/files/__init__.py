"""Files that get to the disk whole or not at all: atomic writes, locks, checkpoints, state."""
