"""The score file: how much each image, region and pixel of a data set is worth."""
