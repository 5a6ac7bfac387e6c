"""
A TCP line that can be made slow, thin, silent or dead, between clients and one server on this machine.

Clients connect to ``port``; what the line does to their bytes is its ``line``, which may be changed at any
time. Bytes are never lost or reordered within a connection, as in TCP: a silent line keeps them until it
speaks again.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from pipeline.embedded.ports import LOOPBACK, free_port

_CHUNK = 65_536
_WAITING = 16
"""Chunks under way in one direction of a connection; beyond that the sender feels the line through TCP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """
    How a line is; by default perfect.

    *latency* is seconds each way, give or take *jitter*; *bandwidth* is bytes per second, of each direction
    of each connection; *slices* is the most bytes handed over at a time. A line silent to one side passes on
    what that side says and hears, but nothing reaches it.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float = float("inf")
    slices: int = _CHUNK
    silent_to_server: bool = False
    silent_to_clients: bool = False


PERFECT = Line()


class Proxy:
    """
    Passes connections to 127.0.0.1:*port* on to 127.0.0.1:*server_port*, in a thread of its own.

    A with-block opens and closes it. Without *port* it is a free one. *seed* is that of jitter and slices.
    """

    def __init__(self, server_port: int, *, port: int | None = None, seed: int = 1) -> None:
        self.port = free_port() if port is None else port
        self.line = PERFECT
        self.resets = 0
        """Connections cut so far."""
        self._server_port = server_port
        self._rng = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def up(self) -> None:
        """Take connections."""
        self._do(self._listen()).result()

    def down(self) -> None:
        """Take no connections, and cut those there are."""
        self._do(self._hang_up()).result()

    def reset(self) -> None:
        """
        Cut every connection, as a router that restarts does: both ends get a reset, in the middle of a word.
        """
        self._do(self._cut()).result()

    def _do(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def _hang_up(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._cut()

    async def _cut(self) -> None:
        tasks = list(self._connections)
        for task in tasks:
            for writer in self._connections[task]:
                end: socket.socket = writer.get_extra_info("socket")
                with suppress(OSError):  # It may have ended by itself a moment ago.
                    # Closing then sends a reset instead of the end of the stream.
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # The sockets of what was aborted are closed in the loop's next round.
        self.resets += len(tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        ends = self._connections[task] = [writer]
        # A client that is gone, a server that is, and a cut: each ends the connection, and nothing else.
        with suppress(OSError, asyncio.CancelledError):
            try:
                server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self._server_port)
                ends.append(server_writer)
                pumps = [
                    asyncio.create_task(self._pump(reader, server_writer, to_server=True)),
                    asyncio.create_task(self._pump(server_reader, writer, to_server=False)),
                ]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)
            finally:
                for end in ends:
                    end.transport.abort()
                del self._connections[task]

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool
    ) -> None:
        """Pass on what one end says; the latency of one chunk runs while the next one is read."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_WAITING)

        async def read() -> None:
            while chunk := await reader.read(_CHUNK):
                line = self.line
                delay = line.latency + line.jitter * self._rng.uniform(-1.0, 1.0)
                await under_way.put((self._loop.time() + max(0.0, delay), chunk))
            await under_way.put((0.0, b""))

        reading = asyncio.create_task(read())
        try:
            while True:
                due, chunk = await under_way.get()
                if not chunk:
                    return
                await asyncio.sleep(due - self._loop.time())
                await self._hand_over(chunk, writer, to_server=to_server)
        finally:
            reading.cancel()

    async def _hand_over(self, chunk: bytes, writer: asyncio.StreamWriter, *, to_server: bool) -> None:
        while chunk:
            line = self.line
            if line.silent_to_server if to_server else line.silent_to_clients:
                await asyncio.sleep(0.05)
                continue
            size = min(len(chunk), self._rng.randint(1, line.slices) if line.slices < _CHUNK else _CHUNK)
            writer.write(chunk[:size])
            await writer.drain()
            chunk = chunk[size:]
            await asyncio.sleep(size / line.bandwidth)
