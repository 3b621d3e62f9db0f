"""Sleeps while it is imported, before it was asked anything."""

import time

time.sleep(1e6)
