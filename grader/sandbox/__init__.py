"""Running an artefact where it can do no harm: a separate process with limits.

The trusted side (`run.py`, `watch.py`) owns the clock, the inputs and the results; the
child (`runner.py`) holds ONNX Runtime, our loop and no student Python. `isolation.py` says
how strongly the child is confined on this machine.
"""
