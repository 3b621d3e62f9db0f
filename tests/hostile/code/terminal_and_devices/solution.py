"""Types into the instructor's terminal and opens raw devices."""

import fcntl
import termios

from attack import attempt, honest


def type_into(fd):
    return fcntl.ioctl(fd, termios.TIOCSTI, b"#") == 0


for fd in (0, 1, 2):
    attempt(f"type into descriptor {fd}", lambda fd=fd: type_into(fd))
attempt("open the terminal", lambda: open("/dev/tty", "wb"))
attempt("open the console", lambda: open("/dev/console", "wb"))
for device in ("/dev/mem", "/dev/kvm", "/dev/fuse", "/dev/vda", "/dev/sda", "/dev/net/tun"):
    attempt(f"open {device}", lambda device=device: open(device, "rb"))


def solve(x):
    return honest(x)
