"""Loopback ports: to find one for a server that cannot be asked to pick, and to wait until one answers."""

import random
import socket
import time
from collections.abc import Callable

LOOPBACK = "127.0.0.1"

# Below every system's range for outgoing connections: a port from that range could be taken by any client
# between our choice and the server's bind, and a client that redials a stopped server there can connect to
# itself.
_FIRST, _LAST = 20_000, 31_999


def why_unusable(port: int, host: str = LOOPBACK) -> str | None:
    """
    Why no server could listen on *host*:*port* at this moment, in the system's words; None if one could.

    A *port* of 0 asks only about the host.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # Like servers: past connections do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return str(error.strerror)
        return None


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:*port* at this moment."""
    return why_unusable(port) is None


def free_port() -> int:
    """Return a TCP port that is free at this moment; OSError if a hundred tries find none."""
    for _ in range(100):
        # Random, so that processes that choose at the same time choose differently.
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - no secret
        if is_free(port):
            return port
    message = f"no free TCP port between {_FIRST} and {_LAST} on {LOOPBACK}"
    raise OSError(message)


def wait_for_port(port: int, *, timeout_seconds: float, still_worth_it: Callable[[], bool]) -> bool:
    """
    Wait until something accepts connections on 127.0.0.1:*port*; True as soon as it does.

    False after *timeout_seconds*, or as soon as *still_worth_it* says no: the process that should listen has
    ended.
    """
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline and still_worth_it():
        try:
            socket.create_connection((LOOPBACK, port), timeout=1.0).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False
