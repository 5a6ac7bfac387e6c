"""
Apache Kafka to be hurt: three brokers that copy each other, or one whose clients come through a proxy.

Both are made of ``LocalKafka``, all on 127.0.0.1, and end with the test run. What is done to them is the
tests'.
"""

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka.admin import AdminClient

from pipeline.embedded.kafka_local import LocalKafka, new_cluster_id
from pipeline.embedded.ports import LOOPBACK, free_port
from tests.faults.proxy import Proxy

BROKERS = 3
_HEAP_MEGABYTES = 384
_INPUTS = {"num.partitions": "4"}
"""What an input topic gets that is declared without a count: enough for two intake workers to share."""


class Cluster:
    """
    Three brokers, each its own controller: three copies of everything, of which two must have an append.

    A broker that is silent for six seconds counts as dead: three of them share two cores with what they
    serve.
    """

    def __init__(self, directory: Path) -> None:
        ports, controllers = ([free_port() for _ in range(BROKERS)] for _ in range(2))
        voters = ",".join(f"{node}@{LOOPBACK}:{port}" for node, port in enumerate(controllers, 1))
        together = _INPUTS | {
            "controller.quorum.voters": voters,
            "default.replication.factor": "3",
            "min.insync.replicas": "2",
            "offsets.topic.replication.factor": "3",
            "transaction.state.log.replication.factor": "3",
            "transaction.state.log.min.isr": "2",
            "broker.session.timeout.ms": "6000",
        }
        cluster_id = new_cluster_id()
        self.brokers: dict[int, LocalKafka] = {}
        """The brokers by their ids, 1 to 3."""
        for node, (port, controller) in enumerate(zip(ports, controllers, strict=True), 1):
            listeners = f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller}"
            self.brokers[node] = LocalKafka(
                directory / f"broker-{node}",
                port=port,
                settings={**together, "node.id": str(node), "listeners": listeners},
                cluster_id=cluster_id,
                heap_megabytes=_HEAP_MEGABYTES,
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """The addresses of all brokers."""
        return ",".join(broker.bootstrap for broker in self.brokers.values())

    def start(self) -> None:
        """Start the brokers that do not run, and wait until each serves: none does alone."""
        self._at_once(lambda broker: None if broker.running else broker.start())

    def stop(self) -> None:
        """Stop all brokers, frozen ones too."""

        def stop(broker: LocalKafka) -> None:
            broker.send_signal(signal.SIGCONT)
            broker.stop()

        self._at_once(stop)

    def leader_of(self, topic: str, partition: int) -> LocalKafka:
        """The broker that takes the appends to a partition."""
        known = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0}).list_topics(
            topic, timeout=30
        )
        return self.brokers[known.topics[topic].partitions[partition].leader]

    def _at_once(self, work: Callable[[LocalKafka], object]) -> None:
        with ThreadPoolExecutor(BROKERS) as threads:
            list(threads.map(work, self.brokers.values()))


class ProxiedKafka:
    """One broker with two ways in: ``bootstrap`` leads straight to it, ``proxied`` through ``proxy``."""

    def __init__(self, directory: Path) -> None:
        port, behind, controller, front = (free_port() for _ in range(4))
        self.proxy = Proxy(behind, port=front)
        at = f"PLAINTEXT://{LOOPBACK}:{port},PROXIED://{LOOPBACK}"
        self.broker = LocalKafka(
            directory,
            port=port,
            settings=_INPUTS
            | {
                "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
                "listeners": f"{at}:{behind},CONTROLLER://{LOOPBACK}:{controller}",
                # A client goes on where the broker says it is reached, which depends on where it came in.
                "advertised.listeners": f"{at}:{front}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            },
        )

    def __enter__(self) -> Self:
        self.broker.start()
        self.proxy.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.broker.send_signal(signal.SIGCONT)
        self.broker.stop()
        self.proxy.__exit__(kind, error, trace)

    @property
    def bootstrap(self) -> str:
        """The address of the broker."""
        return self.broker.bootstrap

    @property
    def proxied(self) -> str:
        """The address of the proxy before it."""
        return f"{LOOPBACK}:{self.proxy.port}"
