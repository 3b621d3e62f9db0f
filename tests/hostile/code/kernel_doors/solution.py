"""System calls that no solution needs and exploits are made of: each must be refused."""

from attack import attempt, honest, syscall

NEWUSER, NEWNS, NEWNET = 0x10000000, 0x20000, 0x40000000
attempt("unshare user", lambda: syscall("unshare", NEWUSER) == 0)
attempt("unshare mount", lambda: syscall("unshare", NEWNS) == 0)
attempt("unshare network", lambda: syscall("unshare", NEWUSER | NEWNET) == 0)
attempt("mount", lambda: syscall("mount", b"none", b"/tmp", b"tmpfs", 0, None) == 0)
attempt("pivot_root", lambda: syscall("pivot_root", b".", b".") == 0)
attempt("setns", lambda: syscall("setns", open("/proc/1/ns/mnt").fileno(), 0) == 0)
attempt("keyctl", lambda: syscall("keyctl", 0, -3, 1, 0, 0) > 0)
attempt("add_key", lambda: syscall("add_key", b"user", b"left-behind", b"x", 1, -3) > 0)
attempt("io_uring_setup", lambda: syscall("io_uring_setup", 8, b"\0" * 120) > 0)
attempt("bpf", lambda: syscall("bpf", 0, b"\1\0\0\0\4\0\0\0\4\0\0\0\1" + b"\0" * 100, 72) > 0)
attempt("userfaultfd", lambda: syscall("userfaultfd", 1) > 0)
attempt(
    "perf_event_open",
    lambda: syscall("perf_event_open", b"\1\0\0\0\x70" + b"\0" * 200, 0, -1, -1, 0) > 0,
)
attempt("fanotify", lambda: syscall("fanotify_init", 0, 0) > 0)
attempt("personality", lambda: syscall("personality", 0x0040000) >= 0)  # no randomised addresses


def solve(x):
    return honest(x)
