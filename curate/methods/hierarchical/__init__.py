"""The paper's method: weighting networks at pixel, region and image level."""
