"""`make kafka` and its ARGS."""

import sys

import pytest

from pipeline.embedded import kafka_local


@pytest.mark.parametrize("port", ["0", "65536", "-1", "kafka", "٣"])
def test_a_port_that_no_client_can_be_told_is_wrong_usage(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With 0 the broker would take any, and nobody would find it."""
    monkeypatch.setattr(sys, "argv", ["kafka_local", "--port", port])

    with pytest.raises(SystemExit) as ended:
        kafka_local._main()

    assert ended.value.code == 2
    assert f"argument --port: {port!r} is no port from 1 to 65535" in capsys.readouterr().err
