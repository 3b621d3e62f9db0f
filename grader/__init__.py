"""The engine of the course: it measures, scores and reports, and knows no lesson by name."""

__version__ = "0.1.0"
