"""
Apache Kafka on this machine without Docker: jars from Maven Central, one broker that is its own controller.

For what the embedded broker cannot show: compaction, transactions that fail over, restarts, data that
outlives memory. ``python -m pipeline.embedded.kafka_local`` keeps one in the foreground. Needs Java 17 and,
once, Maven; both its jars and its data stay in ``.run/kafka`` of the checkout, and its settings are those of
``deploy/kafka-local``.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from string import Template

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pipeline.embedded.guard import GuardedProcess
from pipeline.embedded.part import EmbeddedPart
from pipeline.embedded.ports import LOOPBACK, free_port, is_free, wait_for_port
from pipeline.errors import TelltaleError

_CHECKOUT = Path(__file__).parents[2]
_DEPLOY = _CHECKOUT / "deploy" / "kafka-local"
_RUN = _CHECKOUT / ".run" / "kafka"
_LIBRARIES = _RUN / "libs"

_JAVA_LEAST = 17
_LAST_PORT = 65_535
_START_SECONDS = 120.0


class KafkaFailed(TelltaleError):  # noqa: N818 - reads as what happened
    """Apache Kafka could not be fetched, or did not start."""


class LocalKafka(EmbeddedPart):
    """
    One broker on 127.0.0.1:*port* (a free one if not given) that keeps its data and its log in *directory*.

    It ends with this process, also when that is killed. After ``stop()`` or ``kill()`` it can be started
    again: same address, same data; 3 seconds slower after a kill, until the broker's former self is given up.

    *settings* are Kafka's by its names, and go over those of ``deploy/kafka-local``. Brokers that are to be
    one cluster share their *cluster_id* (``new_cluster_id``) and name each other in the settings.
    *heap_megabytes* is Java's.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        cluster_id: str | None = None,
        heap_megabytes: int = 512,
    ) -> None:
        self.port = free_port() if port is None else port
        self._controller_port = free_port()
        self._settings = settings or {}
        self._cluster_id = cluster_id or new_cluster_id()
        self._heap_megabytes = heap_megabytes
        self._directory = directory.absolute()
        self._broker: GuardedProcess | None = None

    @property
    def bootstrap(self) -> str:
        """The address ``127.0.0.1:PORT`` for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log_file(self) -> Path:
        """What the broker said since its last start."""
        return self._directory / "broker.log"

    @property
    def running(self) -> bool:
        """Whether the broker's process is alive."""
        return self._broker is not None and self._broker.poll() is None

    def start(self) -> str:
        """
        Fetch the jars if need be, start the broker, wait until it serves, return its address; raises
        KafkaFailed.
        """
        # First, so that a wrong path is not told only after 55 MB were fetched.
        self._directory.mkdir(parents=True, exist_ok=True)
        reason = kafka_unavailable()
        if reason is not None:
            raise KafkaFailed("Apache Kafka cannot run here", hint=reason)
        if not is_free(self.port):
            raise KafkaFailed(
                f"{self.bootstrap} is taken", hint="Stop what listens there, or choose another port."
            )
        _fetch_libraries()
        commands = self._commands()
        with self.log_file.open("wb") as log:
            self._broker = GuardedProcess(
                *commands, directory=self._directory, output=log, grace_seconds=30.0
            )
        try:
            self._wait_until_it_serves(self._broker)
        except BaseException:  # Ctrl-C too.
            self.stop()
            raise
        return self.bootstrap

    def stop(self) -> None:
        """Stop the broker in order; nothing happens if it does not run."""
        if self._broker is not None:
            self._broker.stop()
            self._broker = None

    def kill(self) -> None:
        """End the broker with SIGKILL and wait until it is gone."""
        if self._broker is not None:
            self._broker.send_signal(signal.SIGKILL)
            self._broker.wait()
            self._broker = None

    def send_signal(self, number: signal.Signals) -> None:
        """
        Send the broker a signal, for instance SIGSTOP; one that is frozen must be told SIGCONT before a stop.
        """
        if self._broker is not None:
            self._broker.send_signal(number)

    def wait(self) -> None:
        """Wait until the broker ends by itself, which it should not; raises KafkaFailed."""
        if self._broker is not None:
            code = self._broker.wait()
            raise KafkaFailed(
                f"Apache Kafka ended with exit code {code}", hint=f"What it said is in {self.log_file}"
            )

    def _commands(self) -> list[list[str]]:
        """
        Write the settings, and return what is to be run: for a new data directory, its formatting goes first.
        """
        data = self._directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        settings = self._directory / "server.properties"
        template = Template((_DEPLOY / "server.properties").read_text())
        ports = {"port": self.port, "controller_port": self._controller_port}
        # Of two lines for one setting Java keeps the last.
        ours = "".join(f"{name}={value}\n" for name, value in self._settings.items())
        settings.write_text(template.substitute(ports, data=data) + ours)
        java = [
            "java",
            "-cp",
            f"{_LIBRARIES}/*",
            f"-Dlog4j2.configurationFile={_DEPLOY / 'log4j2.properties'}",
        ]
        heap = f"-Xmx{self._heap_megabytes}m"
        broker = [*java, "-Xms256m", heap, "-XX:+UseSerialGC", "kafka.Kafka", str(settings)]
        if (data / "meta.properties").exists():
            return [broker]
        storage_tool = [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster_id}"]
        return [[*storage_tool, "--config", str(settings)], broker]

    def _wait_until_it_serves(self, broker: GuardedProcess) -> None:
        deadline = time.monotonic() + _START_SECONDS
        if wait_for_port(
            self.port, timeout_seconds=_START_SECONDS, still_worth_it=lambda: broker.poll() is None
        ):
            admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
            while broker.poll() is None and time.monotonic() < deadline:
                try:
                    admin.list_topics(timeout=2.0)
                except KafkaException:
                    continue  # The port is open some moments before the broker serves.
                return
        words = self.log_file.read_text(errors="replace").strip().splitlines()[-10:]
        raise KafkaFailed(
            "\n  ".join((f"Apache Kafka did not start on {self.bootstrap}:", *words)),
            hint=f"All it said is in {self.log_file}",
        )


def new_cluster_id() -> str:
    """Make an id as Kafka wants it: 16 random bytes in base64."""
    return urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")


def kafka_unavailable() -> str | None:
    """
    Return why Apache Kafka cannot run here and what to install, or None if it can; tests skip with the
    reason.
    """
    if not _DEPLOY.is_dir():
        return f"{_DEPLOY} does not exist: Apache Kafka runs from a checkout of the sources, not from an installed package."
    version = _java_version()
    if version < _JAVA_LEAST:
        found = "none found" if version == 0 else f"found {version}"
        return f"Java {_JAVA_LEAST} or newer is needed, {found}: install a JDK (Debian: apt-get install openjdk-17-jre-headless)."
    if not _libraries_are_complete() and shutil.which("mvn") is None:
        return "Maven is needed once, to fetch the jars: install it (Debian: apt-get install maven)."
    return None


def _java_version() -> int:
    """Return the major version of the java on PATH, 0 if there is none."""
    java = shutil.which("java")
    if java is None:
        return 0
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603 - no shell
    number = re.search(r'version "(\d+)', said)
    return 0 if number is None else int(number.group(1))


def _libraries_are_complete() -> bool:
    """Whether the jars are there, and are those that the pom names now."""
    copied = _LIBRARIES / "pom.xml"
    return copied.exists() and copied.read_bytes() == (_DEPLOY / "pom.xml").read_bytes()


def _fetch_libraries() -> None:
    """Have Maven copy the jars once; two processes that do it at the same time do not meet half a folder."""
    if _libraries_are_complete():
        return
    sys.stderr.write(f"Fetching Apache Kafka with Maven into {_LIBRARIES}: 55 MB, once\n")
    _RUN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_RUN, prefix="fetching-") as folder:
        fetched = Path(folder) / "libs"
        copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fetched}"]
        maven = subprocess.run(  # noqa: S603 - an argument list, no shell
            ["mvn", "-q", "-B", "-f", str(_DEPLOY / "pom.xml"), *copy],  # noqa: S607 - the mvn on PATH
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if maven.returncode != 0:
            words = maven.stdout.strip().splitlines()[:10]
            raise KafkaFailed(
                "\n  ".join(("Maven could not fetch Apache Kafka:", *words)),
                hint="Does this machine reach Maven Central, or the mirror in ~/.m2/settings.xml?",
            )
        shutil.copy(_DEPLOY / "pom.xml", fetched)
        if _LIBRARIES.exists():
            _LIBRARIES.rename(Path(folder) / "outdated")
        fetched.rename(_LIBRARIES)


def _port(text: str) -> int:
    """A port that clients can be told."""
    if text.isascii() and text.isdigit() and 1 <= int(text) <= _LAST_PORT:
        return int(text)
    message = f"{text!r} is no port from 1 to {_LAST_PORT}"
    raise argparse.ArgumentTypeError(message)


def _main() -> None:
    """Keep a broker in the foreground until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.embedded.kafka_local", description=_main.__doc__
    )
    parser.add_argument("--port", type=_port, default=9092, help="port on 127.0.0.1 (default: %(default)s)")
    parser.add_argument(
        "--directory", type=Path, default=_RUN, help="where data and log are kept (default: %(default)s)"
    )
    chosen = parser.parse_args()
    kafka = LocalKafka(chosen.directory, port=chosen.port)
    try:
        with kafka:
            sys.stdout.write(
                f"Apache Kafka on {kafka.bootstrap}, log in {kafka.log_file}. Ctrl-C stops it.\n"
            )
            sys.stdout.flush()
            kafka.wait()
    except KeyboardInterrupt:
        return
    except KafkaFailed as error:
        sys.exit(f"{error}\n{error.hint}")
    except OSError as error:
        sys.exit(
            f"{error.filename}: {error.strerror}\nName another --directory, or give this user the right to it."
        )


if __name__ == "__main__":
    _main()
