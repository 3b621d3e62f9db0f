"""The engine of the course: it measures, scores and reports, and knows no lesson by name."""

import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    # `python -m grader` in a student's folder would take a numpy.py there for the library.
    del sys.path[0]

__version__ = "0.1.0"
