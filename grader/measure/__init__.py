"""Measurements: costs, quality, streams, hardware and latency; plain numbers with intervals."""
