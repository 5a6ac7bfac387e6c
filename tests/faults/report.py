"""
What each fault test found, as one line; all lines together are the table that ``make faults`` prints at its
end.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_COLUMNS: Final = ("test", "faults injected", "events", "violations", "seconds to lag 0", "seed", "seconds")


@dataclass(slots=True, kw_only=True)
class FaultLine:
    """
    The line of one test, filled in by it.

    *faults* are what was done to the pipeline, each as often as it was done. *violations* say what broke
    which promise; ``check`` fails the test if there are any. *seconds_to_lag_0* is from the end of the last
    fault, or of the load, to the moment when all that was sent had been processed; None where nothing has to
    catch up.
    """

    name: str
    seed: int | None = None
    faults: list[str] = field(default_factory=list)
    events: int = 0
    violations: list[str] = field(default_factory=list)
    seconds_to_lag_0: float | None = None
    seconds: float = 0.0
    outcome: str = "not run"

    def fault(self, what: str) -> None:
        """Note a fault that was injected."""
        self.faults.append(what)

    def check(self) -> None:
        """Fail with the first violations, if there are any."""
        shown = "\n".join(self.violations[:20])
        assert not self.violations, f"{len(self.violations)} violations, seed {self.seed}:\n{shown}"

    def row(self) -> tuple[str, ...]:
        """The line's cells, as text."""
        broken = str(len(self.violations))
        return (
            self.name,
            ", ".join(_counted(self.faults)) or "none",
            f"{self.events:,}",
            broken if self.outcome in {"passed", "failed"} and not self._failed_otherwise else self.outcome,
            "" if self.seconds_to_lag_0 is None else f"{self.seconds_to_lag_0:.1f}",
            "" if self.seed is None else str(self.seed),
            f"{self.seconds:.0f}",
        )

    @property
    def _failed_otherwise(self) -> bool:
        return self.outcome == "failed" and not self.violations


def table(rows: Iterable[Iterable[str]]) -> str:
    """The *rows* of lines as a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (_COLUMNS, ("---",) * len(_COLUMNS), *rows))


def _counted(faults: list[str]) -> list[str]:
    """``kill -9 health`` three times as ``3 x kill -9 health``, in the order of the first."""
    return [
        f"{count} x {name}" if (count := faults.count(name)) > 1 else name for name in dict.fromkeys(faults)
    ]
