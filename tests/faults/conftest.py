"""
What every fault test needs: its line in the table, a fixed seed, and a pipeline to break.

``--fault-seed N`` runs all of them with another seed; ``--fault-table FILE`` keeps the table.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from pipeline.embedded.postgres import EmbeddedPostgres
from tests.faults.report import FaultLine, table
from tests.faults.stage import Stage

DEFAULT_SEED = 20_261_122
LINE = pytest.StashKey[FaultLine]()
_ROW = "row of the fault table"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-seed", type=int, default=DEFAULT_SEED, help="Seed of the random faults.")
    parser.addoption("--fault-table", type=Path, help="File for the table of the fault tests.")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(FaultTable(), "fault table")


class FaultTable:
    """
    Prints the table, of whatever process a test ran in.

    A row comes with the report of the test's end, which pytest-xdist takes from its workers to the process
    that prints.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[str, ...]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties: Iterable[tuple[str, Any]] = report.user_properties
        self._rows += [tuple(row) for name, row in properties if name == _ROW]

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        if not self._rows:
            return
        text = table(self._rows)
        terminalreporter.section("faults")
        terminalreporter.write_line(text)
        if (file := config.getoption("fault_table", None)) is not None:
            file.write_text(text + "\n")


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    """Seed of everything a test leaves to chance; it stands in the test's line."""
    return int(pytestconfig.getoption("fault_seed", DEFAULT_SEED))


@pytest.fixture
def line(request: pytest.FixtureRequest, seed: int) -> Iterator[FaultLine]:
    """The test's line in the table."""
    line = FaultLine(name=request.node.name.removeprefix("test_"), seed=seed)
    request.node.stash[LINE] = line
    started = time.monotonic()
    yield line
    line.seconds = time.monotonic() - started


@pytest.fixture
def stage(broker: str, postgres: str, tmp_path: Path, line: FaultLine) -> Iterator[Stage]:
    """Intake, health and sink on an embedded broker and a database, prepared and not started."""
    with Stage(line, tmp_path / "log", brokers=broker, database=postgres) as prepared:
        yield prepared


@pytest.fixture
def streams(broker: str, tmp_path: Path, line: FaultLine) -> Iterator[Stage]:
    """Intake and health alone, where Postgres has no part in the fault."""
    with Stage(line, tmp_path / "log", brokers=broker) as prepared:
        yield prepared


@pytest.fixture
def kept_postgres() -> Iterator[EmbeddedPostgres]:
    """A server of the test's own that may be stopped, killed and started again, and has its rows then."""
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)  # Started by root, it runs as nobody, who has to get in.
        with EmbeddedPostgres(Path(directory)) as server:
            yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if LINE in item.stash:
        if call.when == "call":
            item.stash[LINE].outcome = report.outcome
        elif call.when == "teardown":
            report.user_properties.append((_ROW, item.stash[LINE].row()))
    return report
