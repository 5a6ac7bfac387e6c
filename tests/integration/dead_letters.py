"""Dead letters as the intake writes them, for tests of what is done about them."""

from collections.abc import Sequence

from pipeline.kafka.records import Appender, Record, read_topic
from pipeline.wire.dead_letters import dead_letter_headers
from tests.integration.command_line import Telltale

LOGIN, INVOICE = "customer.login.v1", "customer.invoice.v1"
PARTITION = 2


def dead_letter_event(
    telltale: Telltale, topic: str, *values: bytes, code: str, more: Sequence[tuple[str, bytes]] = ()
) -> None:
    """Dead letters of records that came with a header of their sender, and with *more*."""
    with Appender(telltale.client) as appender:
        for offset, value in enumerate(values):
            ours = dead_letter_headers(topic, PARTITION, offset, code, "no account lists the external_id")
            headers = [("traceparent", b"00-ab-cd-01"), *more, *ours]
            appender.append(f"{topic}.dlq", b"key", value, partition=PARTITION, headers=headers)


def records(telltale: Telltale, topic: str) -> list[Record]:
    """What is in *topic*, in the order of its offsets."""
    return sorted(read_topic(telltale.client, topic), key=lambda record: record.offset)


def values(telltale: Telltale, topic: str) -> list[bytes]:
    """The values in *topic*."""
    return [record.value or b"" for record in records(telltale, topic)]
