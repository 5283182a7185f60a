"""Images to scores: cells, regions, and the files that they go into."""
