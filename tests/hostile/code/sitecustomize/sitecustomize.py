"""Python runs this when it starts, if it finds it."""

import sys

sys.path.append(__file__.rsplit("/", 1)[0])
import outside  # noqa: F401
