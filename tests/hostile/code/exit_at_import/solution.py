"""Ends the process cleanly while it is imported: code 0 must not pass for answers."""

import sys

sys.exit(0)
