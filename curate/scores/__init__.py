"""The score file: what it holds, how it is written, read and merged."""
