"""The engine of the course: it measures, scores and reports, and knows no lesson by name."""

import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    # `python -m grader` in a student's folder: Python looks for modules there first, and would take
    # a numpy.py of theirs for the library. This is the first code of ours that runs.
    del sys.path[0]

__version__ = "0.1.0"
