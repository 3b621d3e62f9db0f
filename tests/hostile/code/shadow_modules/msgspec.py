"""Shadows the real module of this name: whoever imports it first runs this."""

import sys

sys.path.append(__file__.rsplit("/", 1)[0])
import outside  # noqa: F401
