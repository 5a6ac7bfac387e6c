"""
Servers for tests, all on free ports of 127.0.0.1 and gone with the test run, even if that is killed.

``broker`` and ``postgres`` need nothing but this package; ``kafka`` needs Java and Maven, and says so when it
skips.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings

from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.kafka_local import LocalKafka, kafka_unavailable
from pipeline.embedded.postgres import EmbeddedPostgres

# A machine that is busy makes an example slow, not wrong.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# A shell starts background jobs with Ctrl-C ignored, and what they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)


LONG_WAITS = ("test_demo.py", "test_bench.py")
"""Files whose tests wait for minutes; what has to be last is what ends soon."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Start long waits first, then the files with most tests: several workers are done at about the same time.
    """
    sizes = Counter(item.path for item in items)
    first = {name: place - len(LONG_WAITS) for place, name in enumerate(LONG_WAITS)}
    items.sort(key=lambda item: (first.get(item.path.name, 0), -sizes[item.path], item.path))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite what tests/golden expects, and the examples of outputs in schemas/examples",
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether what is found becomes what is expected; the diff is to be read as behaviour."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """Wait until a condition holds; fail with the condition's name if it does not within 20 seconds."""

    def wait_until(condition: Callable[[], object], timeout_seconds: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout_seconds} s: {condition}"
            time.sleep(0.01)

    return wait_until


@pytest.fixture
def broker() -> Iterator[str]:
    """Bootstrap address of an embedded broker without topics, for one test; it starts in 0.2 s."""
    with EmbeddedBroker() as running:
        yield running.bootstrap


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """One server for all tests: it takes 0.9 s to start, a database in it 0.05 s."""
    with EmbeddedPostgres() as running:
        yield running


@pytest.fixture
def postgres(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """``postgresql+psycopg://`` address of an empty database, for one test."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres_server.dsn.removesuffix("telltale") + name
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """Apache Kafka for tests marked ``kafka``: 4 s to start; who kills it has to start it again."""
    reason = kafka_unavailable()
    if reason is not None:
        pytest.skip(f"needs Apache Kafka: {reason}")
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running
