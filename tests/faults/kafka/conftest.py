"""Apache Kafka for the tests of this folder, which break it, and pipelines on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.embedded.kafka_local import kafka_unavailable
from tests.faults.cluster import ProxiedKafka
from tests.faults.kafka.installation import Install, Installation
from tests.faults.kafka.surgery import Surgeon
from tests.faults.report import FaultLine


@pytest.fixture(scope="session", autouse=True)
def _java() -> None:
    reason = kafka_unavailable()
    if reason is not None:
        pytest.skip(f"needs Apache Kafka: {reason}")


@pytest.fixture(scope="module")
def wounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedKafka]:
    """One broker for the tests of a module; who breaks it mends it."""
    with ProxiedKafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def install(postgres: str, tmp_path: Path, line: FaultLine, seed: int) -> Install:
    def make(brokers: str, **options: Any) -> Installation:
        return Installation(brokers, postgres, tmp_path, line=line, seed=seed, **options)

    return make


@pytest.fixture
def surgeon(wounded: ProxiedKafka) -> Surgeon:
    """Who cuts, deletes and writes behind the back of ``telltale``."""
    return Surgeon(wounded.bootstrap)


@pytest.fixture
def telltale(wounded: ProxiedKafka, install: Install) -> Iterator[Installation]:
    """An installation at work that has processed its first events."""
    telltale = install(wounded.bootstrap)
    with telltale.running():
        telltale.feeder.send_all(telltale.traffic.events(2_000))
        telltale.lag_0(60)
        yield telltale
