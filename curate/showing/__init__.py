"""Score files made visible: the report in one HTML file, and the picture of one image."""
