"""Ports for servers that have to be told one."""

from __future__ import annotations

import random
import socket


def free_ports(count: int) -> list[int]:
    """Free ports of 127.0.0.1, below those that the system gives to clients: nobody takes one before its server does."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
