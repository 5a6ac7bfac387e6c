"""The consumers under docs/clients read what health writes, from Apache Kafka: each prints the same lines."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from confluent_kafka import Producer

from pipeline.embedded.kafka_local import LocalKafka, kafka_unavailable
from pipeline.kafka.client import client_configuration
from pipeline.kafka.topics import TopicPlan, apply_topics
from pipeline.settings import Security
from tests.integration.postgres_sink_parts import alert, encoded

CHECKOUT = Path(__file__).parents[2]
CLIENTS = CHECKOUT / "docs" / "clients"
SCHEMAS = CHECKOUT / "schemas"
TOPIC = "clients.health.alert.v1"

_BUILD_SECONDS = 240
_READ_SECONDS = 60.0

AMOUNTS = ("1200.5000", "-0.0001", None, "99999999999999.9999", "0.0000", "-1200.5000")
"""What tells exact decimals from others: digits beyond a double, a last digit, a minus, zero, null."""

LINES = [f"acc-{number} went_dark HIGH {amount or '-'}" for number, amount in enumerate(AMOUNTS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One consumer: the tool it needs, and how it is built and started in a folder of its own."""

    language: str
    tool: str
    build: tuple[str, ...]
    run: tuple[str, ...]


PYTHON = Client(language="python", tool=sys.executable, build=(), run=(sys.executable, "consumer.py"))
GO = Client(language="go", tool="go", build=("go", "build", "-o", "alerts", "."), run=("./alerts",))
NODE = Client(
    language="node",
    tool="npm",
    build=("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent", "--prefer-offline"),
    run=("node", "consumer.js"),
)
# The classes are generated from our schemas, wherever the copy of the client lies.
JAVA_BUILD = ("mvn", "-q", "-B", "package", "dependency:copy-dependencies", f"-Dschemas={SCHEMAS}")
JAVA = Client(
    language="java",
    tool="mvn",
    build=JAVA_BUILD,
    run=(
        "java",
        "-Dorg.apache.avro.SERIALIZABLE_PACKAGES=telltale.health.v1",
        "-cp",
        "target/classes:target/dependency/*",
        "Alerts",
    ),
)


@pytest.fixture(scope="module")
def alerts(kafka: LocalKafka) -> str:
    """Address of a broker whose topic holds each alert once, and the first of them twice."""
    configuration = client_configuration(kafka.bootstrap, Security())
    apply_topics(configuration, [TopicPlan(name=TOPIC, partitions=1, settings={})], replication_factor=1)
    producer = Producer(configuration)
    events = [
        alert(f"al-{number}", account_id=f"acc-{number}", cmrr=None if amount is None else Decimal(amount))
        for number, amount in enumerate(AMOUNTS)
    ]
    for event in (events[0], *events):
        producer.produce(TOPIC, encoded(event)[1], key=event.account_id.encode())
    assert producer.flush(20) == 0
    return kafka.bootstrap


@pytest.mark.kafka
@pytest.mark.clients
@pytest.mark.timeout(_BUILD_SECONDS + _READ_SECONDS)
@pytest.mark.skipif(kafka_unavailable() is not None, reason=str(kafka_unavailable()))
@pytest.mark.parametrize("client", [PYTHON, GO, NODE, JAVA], ids=lambda client: client.language)
def test_each_client_prints_every_alert_once_and_exactly(
    client: Client, alerts: str, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """The amounts keep every digit, null stays apart from zero, and the repeat is dropped."""
    if shutil.which(client.tool) is None:
        pytest.skip(f"the {client.language} client is NOT tested: it needs {client.tool} on the PATH")
    folder = built(client, tmp_path)

    with running(client, folder, alerts) as printed:
        eventually(lambda: len(printed()) >= len(LINES), _READ_SECONDS)

        assert printed() == LINES


def built(client: Client, tmp_path: Path) -> Path:
    """Copy the client, so that the checkout stays as it is, build it there, and return the folder."""
    folder = tmp_path / client.language
    shutil.copytree(
        CLIENTS / client.language, folder, ignore=shutil.ignore_patterns("node_modules", "target")
    )
    if client.build:
        made = subprocess.run(
            client.build,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_BUILD_SECONDS,
        )
        assert made.returncode == 0, made.stdout
    return folder


@contextmanager
def running(client: Client, folder: Path, brokers: str) -> Iterator[Callable[[], list[str]]]:
    """Run the client until the block ends; the block asks for the lines that it has printed."""
    output = folder / "printed.txt"
    with output.open("w") as file, (folder / "errors.txt").open("w") as errors:
        process = subprocess.Popen(
            [*client.run, brokers, TOPIC, str(SCHEMAS)], cwd=folder, stdout=file, stderr=errors
        )

    def printed() -> list[str]:
        assert process.poll() is None, (folder / "errors.txt").read_text()
        return output.read_text().splitlines()

    try:
        yield printed
    finally:
        process.kill()
        process.wait()
