"""A whole data set, looked at before anything is learned or scored: what is wrong with it."""
