"""Shadows a module that Python imports before anything else."""

import sys

sys.path.append(__file__.rsplit("/", 2)[0])
import outside  # noqa: F401
