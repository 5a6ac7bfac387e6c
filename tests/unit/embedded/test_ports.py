"""
Ports for servers: free when chosen, out of the way of outgoing connections, waited for as long as it makes
sense.
"""

import socket
import threading
import time

from pipeline.embedded.ports import LOOPBACK, free_port, is_free, wait_for_port


def test_a_port_is_free_until_somebody_listens() -> None:
    """The question a server would ask by binding."""
    port = free_port()
    assert is_free(port)

    with socket.create_server((LOOPBACK, port)):
        assert not is_free(port)


def test_a_chosen_port_is_none_that_a_client_may_be_given() -> None:
    """Linux hands out 32768 and above to clients, others 49152 and above."""
    assert all(1024 <= free_port() < 32_768 for _ in range(20))


def test_waiting_ends_when_the_port_answers() -> None:
    """The server comes up while somebody waits."""
    port = free_port()
    asked = threading.Event()
    server: list[socket.socket] = []

    def listen() -> None:
        asked.wait()
        server.append(socket.create_server((LOOPBACK, port)))

    def note_that_it_is_waited_for() -> bool:
        asked.set()
        return True

    thread = threading.Thread(target=listen)
    thread.start()

    assert wait_for_port(port, timeout_seconds=20, still_worth_it=note_that_it_is_waited_for)

    thread.join()
    server[0].close()


def test_waiting_ends_when_it_is_pointless() -> None:
    """A server that has crashed is not waited for."""
    began = time.monotonic()

    assert not wait_for_port(free_port(), timeout_seconds=60, still_worth_it=lambda: False)
    assert time.monotonic() - began < 10


def test_waiting_has_an_end() -> None:
    """A server that never listens is given up."""
    assert not wait_for_port(free_port(), timeout_seconds=0.05, still_worth_it=lambda: True)
