"""What runs inside a sandbox: one module a task, with `run(work)` and sometimes `keep(data)`.

The child has no labels, no reference solutions and no environment variables.
"""
