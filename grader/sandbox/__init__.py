"""Running submissions in child processes with limits.

`isolation` confines a child and enforces its limits; it does not know what runs inside. `runners`
are what runs: each module of it sends a `Program` to `isolation.levels.start` and reads answers
from the child, and each module of `runners.child` is a task that runs inside. The two meet by
name: a program names its task, and the child, once it has a request, imports the module of that
name from `runners.child` (`isolation.zygote` before it forks, `isolation.cold_child` when it
starts). A program may also name a module of `runners.child` among the libraries that the warm
process imports, which then calls its `warm()`. Apart from that, `isolation` imports nothing of
`runners`; both sides of the connection share `isolation.task`.

The trusted side measures the time and holds the inputs and results. A child never holds hidden
labels, reference solutions or other submissions. Sandbox A runs a student's Python; sandbox B runs
models, without any code of the student.
"""
