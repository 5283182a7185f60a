"""Files that are on the disk whole or not at all, and what processes remember in them."""
