"""A progress bar for people: on stderr, while that is a terminal, and gone when the work is done."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar:
    """Shows how many of the *unit* are done, from ``begin`` to the end of its with-block."""

    def __init__(self, unit: str) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,  # Data stay on stdout.
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(unit, total=None)

    def begin(self, total: int) -> None:
        """Show the bar, with *total* to do."""
        self._bar.update(self._task, total=total)
        self._bar.start()

    def advance(self, count: int) -> None:
        """So many more are done."""
        self._bar.advance(self._task, count)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Clear the terminal for lines of output."""
        self._bar.stop()
        yield
        self._bar.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
