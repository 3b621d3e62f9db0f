"""Data sets of speech: clips with and without a keyword, and long tracks."""
