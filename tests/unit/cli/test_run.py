"""The processes of `telltale run`."""

import socket

import pytest

from pipeline.cli.run import PortTaken, pipeline_commands
from pipeline.settings import InvalidSettings, Settings


def ports(first: int) -> list[str]:
    commands = pipeline_commands(Settings(metrics_port=first))
    return [command.environment["TELLTALE_METRICS_PORT"] for command in commands]


def test_each_process_has_a_metrics_port_of_its_own() -> None:
    """The setting's and the two after it; 0 is a free one for each."""
    assert ports(65533) == ["65533", "65534", "65535"]
    assert ports(0) == ["0", "0", "0"]


def test_a_metrics_port_with_no_two_after_it_is_refused() -> None:
    """Before a process is started: its own refusal would be one of ten restarts' in the log."""
    with pytest.raises(InvalidSettings, match="TELLTALE_METRICS_PORT is 65534, and each of the 3") as refused:
        ports(65534)

    assert refused.value.hint == "Set it to 65533 at most, or to 0 for free ones."


def test_a_metrics_port_that_is_taken_is_refused() -> None:
    """The process would end at every start, and be started again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(
            PortTaken, match=rf"sink cannot serve its metrics on 127\.0\.0\.1:{taken}"
        ) as refused:
            ports(taken)

    assert "TELLTALE_METRICS_PORT" in refused.value.hint


@pytest.mark.parametrize("first", [0, 9464])
def test_an_address_that_is_not_this_machines_is_refused(first: int) -> None:
    """It is not called taken, since no other port would help."""
    with pytest.raises(PortTaken, match=r"on 192\.0\.2\.1:\d+: Cannot assign requested address") as refused:
        pipeline_commands(Settings(metrics_host="192.0.2.1", metrics_port=first))

    assert "the address is TELLTALE_METRICS_HOST" in refused.value.hint
