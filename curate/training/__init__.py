"""The joint training of a segmenter and a weighting method, and the run folder it leaves."""
