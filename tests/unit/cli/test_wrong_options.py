"""Options with values that nobody can use: told in a sentence with the option's name, without a traceback."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline import cli


def call(words: str, **environment: str) -> Result:
    """Run ``telltale`` with *words* in this process; a fault of ours is raised here."""
    result = CliRunner().invoke(cli.main, words.split(), env=environment, prog_name="telltale")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("simulate --end 0001-01-01", "--end"),
        ("simulate --end 2000-01-02", "--end"),
        ("simulate --end 2099-12-31", "--end"),
        ("simulate --accounts 0", "--accounts"),
        ("simulate --stories .", "--stories"),
        ("replay . --processes 0", "FILES"),
        ("accounts --limit 2147483648", "--limit"),
        ("accounts --limit 0", "--limit"),
        ("sink rejected --limit 2147483648", "--limit"),
        ("explain x --changes 2147483648", "--changes"),
        ("dlq replay --rate nan", "--rate"),
        ("dlq replay --rate inf", "--rate"),
        ("dlq ls --since soon", "--since"),
        ("doctor --watch nan", "--watch"),
        ("bench --only speed", "--only"),
    ],
)
def test_a_value_out_of_range_is_wrong_usage(words: str, option: str) -> None:
    """Exit code 2, before anything is asked of a server."""
    result = call(words)

    assert result.exit_code == 2
    assert "Invalid value" in result.stderr
    assert option in result.stderr


@pytest.mark.parametrize(
    "address",
    ["x:y:z", "kafka://here:9092", "here:99999", "here:0", "here:port", "::1:9092", "good:9092,b ad:9092"],
)
def test_an_address_that_no_client_can_use_is_refused(address: str) -> None:
    """A client would wait for it, or take another port: librdkafka asks 34463 where 99999 is meant."""
    result = call("topics apply", TELLTALE_BROKERS=address)

    assert result.exit_code == 1
    assert f'"{address.rpartition(",")[2]}" is no address of a broker' in result.stderr
    assert "hint: Write host:port" in result.stderr


@pytest.mark.parametrize("url", ["nonsense", "http://[::1", "ftp://me:secret@here"])
def test_a_registry_without_a_url_is_refused(url: str) -> None:
    """And its password is not told."""
    result = call("schemas ls", TELLTALE_REGISTRY_URL=url)

    assert result.exit_code == 1
    assert "The registry's address is no http:// or https:// URL." in result.stderr
    assert "TELLTALE_REGISTRY_URL" in result.stderr
    assert "secret" not in result.output


def test_a_scorecard_that_is_no_text_is_named(tmp_path: Path) -> None:
    """With the first byte that is not UTF-8."""
    (tmp_path / "mid.toml").write_bytes(b"# caf\xe9")

    result = call(f"scorecards check --folder {tmp_path}")

    assert result.exit_code == 1
    assert f"{tmp_path}/mid.toml: not UTF-8: byte 6 is 0xe9" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full, which Linux has")
def test_a_full_disk_is_told() -> None:
    """The system names no file there."""
    result = call("simulate --accounts 20 --days 90 --stories /dev/full")

    assert result.exit_code == 1
    assert "error: cannot write: No space left on device" in result.stderr
    assert "hint: Make room" in result.stderr
