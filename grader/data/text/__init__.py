"""Data sets of text: posts with a sentiment, and pairs of a query and a reply."""
