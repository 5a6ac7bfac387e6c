"""What every embedded part is: a server with an address, started and stopped by a with-block."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class EmbeddedPart(ABC):
    """A server on 127.0.0.1 that ends with this process; a with-block starts and stops it."""

    @abstractmethod
    def start(self) -> str:
        """Start it, wait until it serves, and return its address for clients."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it; nothing happens if it does not run."""

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether its process is alive."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
