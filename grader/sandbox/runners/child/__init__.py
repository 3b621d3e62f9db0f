"""What runs inside a sandbox: one module a task, with `run(work)` and sometimes `keep(data)`."""
