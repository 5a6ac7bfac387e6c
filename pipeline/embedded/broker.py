"""
A Kafka broker without Java: librdkafka's mock cluster, in a process of its own.

It speaks the real protocol (groups, transactions, headers, compression) to librdkafka, aiokafka and kafkajs;
Java's client, franz-go and Sarama cannot read its answer about API versions, see ``docs/clients/README.md``.
It keeps everything in memory, the newest ``BYTES_KEPT_PER_PARTITION`` of each partition and no more, gives
every topic ``PARTITIONS_PER_TOPIC`` partitions, never compacts, and has no controller: to create, delete or
describe a topic times out. ``kafka_local`` runs a broker without these limits.

The cluster lives inside the client that made it. In our own process it would share the interpreter with
whoever supervises the rest, and could be neither watched nor killed.
"""

import select
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from confluent_kafka.admin import AdminClient

from pipeline.embedded.part import EmbeddedPart
from pipeline.errors import TelltaleError

PARTITIONS_PER_TOPIC = 4
BYTES_KEPT_PER_PARTITION = 5 * 1024 * 1024

_SCRIPT = Path(__file__).with_name("mock_cluster.py")
_START_SECONDS = 30.0


class BrokerFailed(TelltaleError):  # noqa: N818 - reads as what happened
    """The embedded broker did not start."""


class EmbeddedBroker(EmbeddedPart):
    """
    One broker on a free port of 127.0.0.1; its process ends when this one ends, however that happens.

    Once stopped, its topics are gone; started again, it has another address.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._bootstrap = ""

    @property
    def bootstrap(self) -> str:
        """The address ``127.0.0.1:PORT`` for clients; empty before the start."""
        return self._bootstrap

    @property
    def running(self) -> bool:
        """Whether the broker's process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Start the broker and return its bootstrap address; raises BrokerFailed."""
        self._process = subprocess.Popen(  # noqa: S603 - our own file, an argument list, no shell
            # -P: the modules beside the script are not to be found by their bare names.
            [sys.executable, "-P", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Out of reach of Ctrl-C: the broker goes when we say so.
        )
        assert self._process.stdout is not None
        answered, _, _ = select.select([self._process.stdout], [], [], _START_SECONDS)
        self._bootstrap = self._process.stdout.readline().strip() if answered else ""
        if not self._bootstrap:
            self.stop()
            raise BrokerFailed("the embedded broker did not start", hint="What it said is on stderr, above.")
        return self._bootstrap

    def stop(self) -> None:
        """Stop the broker and lose its topics; nothing happens if it does not run."""
        if self._process is not None:
            self._process.kill()  # It holds nothing that an orderly end would save.
            self._process.communicate()
            self._process = None

    def create_topics(self, names: Iterable[str], *, timeout_seconds: float = 5.0) -> None:
        """Make topics exist: the broker creates each one that is asked for by name. Raises KafkaException."""
        admin = AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})
        for name in names:
            admin.list_topics(name, timeout=timeout_seconds)
