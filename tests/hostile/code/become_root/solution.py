"""Takes rights that it was not given: user, group, capabilities, another root folder."""

import os

from attack import attempt, honest


def rights():
    with open("/proc/self/status", encoding="ascii") as status:
        effective = next(line for line in status if line.startswith("CapEff"))
    return [effective] if int(effective.split()[1], 16) else []


def rename():
    """To what it is called already: a test must not rename the machine."""
    with open("/proc/sys/kernel/hostname", "w", encoding="ascii") as file:
        return file.write(os.uname().nodename)


attempt("hold capabilities", rights)
attempt("change user", lambda: os.setresuid(12345, 12345, 12345) or "changed")
attempt("change groups", lambda: os.setgroups([1, 2, 3]) or "changed")
attempt("chroot", lambda: os.chroot(".") or "changed")
attempt("make a device", lambda: os.mknod("device", 0o20666, os.makedev(1, 1)) or "made")
attempt("change the host's name", rename)


def solve(x):
    return honest(x)
