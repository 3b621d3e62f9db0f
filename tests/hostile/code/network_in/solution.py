"""Opens a port and waits for visitors."""

import socket

from attack import attempt, honest


def listen(family, address):
    server = socket.socket(family)
    server.bind(address)
    server.listen()
    listen.kept = server
    return f"listening on {address}"


attempt("a port", lambda: listen(socket.AF_INET, ("127.0.0.1", 0)))
attempt("a Unix socket", lambda: listen(socket.AF_UNIX, "socket"))
attempt("an abstract Unix socket", lambda: listen(socket.AF_UNIX, "\0left-behind"))


def solve(x):
    return honest(x)
