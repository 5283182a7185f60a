"""Train the same segmenter on competing data, in pairs, and measure what each choice is worth."""
