"""
The process of the embedded broker: holds a librdkafka mock cluster, tells its address, waits for the end of
stdin.

A script, not for import, and without anything of Telltale, so that it starts wherever Telltale is imported
from. The end of stdin is the end of the process that started it.
"""

import sys

from confluent_kafka import Producer


def _main() -> None:
    # The cluster lives as long as this client. Its log would only say that clients come and go.
    holder = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    broker = next(iter(holder.list_topics(timeout=10).brokers.values()))
    print(f"{broker.host}:{broker.port}", flush=True)  # noqa: T201 - the answer that EmbeddedBroker.start waits for
    sys.stdin.read()


if __name__ == "__main__":
    _main()
