"""Measurements of streaming models, which take sound chunk by chunk."""
