"""``telltale scorecards`` and ``simulate``: what goes into the log, and what comes out of a seed."""

from pathlib import Path

import pytest

import pipeline.scorecards
from pipeline.health.events import Scorecards
from pipeline.kafka.records import Appender, read_topic
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import EmbeddedRegistry
from tests.integration.command_line import Telltale

MID = Path(pipeline.scorecards.__file__).parent / "mid.toml"


@pytest.fixture
def telltale(broker: str) -> Telltale:
    telltale = Telltale(brokers=broker)
    telltale("topics", "apply")
    return telltale


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A folder with a scorecard that stands in for ours."""
    (tmp_path / "mid.toml").write_text(MID.read_text().replace('version = "1"', 'version = "1-ours"'))
    return tmp_path


def in_log(telltale: Telltale) -> dict[int, list[list[str]]]:
    """The scorecards of every partition of the log, in order."""
    codec = LogCodec(telltale.contract, EmbeddedRegistry(telltale.contract))
    found: dict[int, list[list[str]]] = {partition: [] for partition in range(4)}
    for record in read_topic(telltale.client, telltale.contract.log.name):
        body = codec.decode(record.value or b"").body
        if isinstance(body, Scorecards):
            found[record.partition].append(body.documents)
    return found


def test_scorecards_are_written_to_every_partition_once(telltale: Telltale) -> None:
    """Every worker reads them from its own partitions; those active already are left alone."""
    first, second = telltale("scorecards", "apply"), telltale("scorecards", "apply")

    assert first.out == "enterprise 1, mid 1, onboarding 1, small 1: written to 4 partitions\n"
    assert second.out == "enterprise 1, mid 1, onboarding 1, small 1: active already\n"
    assert {len(written) for written in in_log(telltale).values()} == {1}


def test_only_partitions_that_lack_them_are_written(telltale: Telltale) -> None:
    """An apply that was interrupted is finished by the next one."""
    telltale("scorecards", "apply")
    lost = next(read_topic(telltale.client, telltale.contract.log.name, start={2: 0}))
    fresh = Telltale(brokers=telltale.brokers, prefix="other.")
    fresh("topics", "apply")
    with Appender(fresh.client) as appender:
        for partition in (0, 1):
            appender.append("other.health.account-log.v1", b"", lost.value, partition=partition)

    answer = fresh("scorecards", "apply")

    assert answer.out.endswith("written to 2 partitions\n")
    assert {len(written) for written in in_log(fresh).values()} == {1}


def test_edited_scorecards_follow_the_old_ones(telltale: Telltale, edited: Path) -> None:
    """The log keeps both: what was scored by the old ones can be replayed."""
    telltale("scorecards", "apply")

    answer = telltale("scorecards", "apply", "--folder", str(edited))

    assert "mid 1-ours" in answer.out
    for written in in_log(telltale).values():
        assert len(written) == 2
        assert written[0] != written[1]


def test_other_contents_under_the_same_name_and_version_are_refused(
    telltale: Telltale, tmp_path: Path
) -> None:
    """A change names its scorecard by them; comments may differ."""
    telltale("scorecards", "apply")
    (tmp_path / "mid.toml").write_text("# ours\n" + MID.read_text())
    commented = telltale("scorecards", "apply", "--folder", str(tmp_path))
    (tmp_path / "mid.toml").write_text(MID.read_text().replace("points = 15", "points = 16"))

    answer = telltale("scorecards", "apply", "--folder", str(tmp_path))

    assert commented.code == 0
    assert answer.code == 1
    assert "other contents for mid 1" in answer.err
    assert "Raise the version" in answer.err
    assert {len(written) for written in in_log(telltale).values()} == {2}


def test_scorecards_with_faults_are_not_applied(telltale: Telltale, tmp_path: Path) -> None:
    """Health would stop at them, in every partition."""
    (tmp_path / "mid.toml").write_text(MID.read_text().replace("healthy_from = 75", "healthy_from = 175"))

    answer = telltale("scorecards", "apply", "--folder", str(tmp_path))

    assert answer.code == 1
    assert "healthy_from" in answer.err
    assert in_log(telltale) == {0: [], 1: [], 2: [], 3: []}


def test_a_check_lists_what_each_scorecard_serves(edited: Path) -> None:
    """Without a broker; the folder comes from the option or the setting."""
    telltale = Telltale(brokers="")

    shipped, ours = (
        telltale("scorecards", "check"),
        telltale("scorecards", "check", TELLTALE_SCORECARDS=str(edited)),
    )

    assert shipped.out.splitlines()[0].split() == ["scorecard", "version", "serves"]
    assert "onboarding  1        accounts younger than" in shipped.out
    assert any(line.split()[:2] == ["mid", "1-ours"] for line in ours.out.splitlines())


def test_a_simulated_portfolio_is_the_same_for_the_same_seed() -> None:
    """Lines that `ingest` reads, and another portfolio for another seed."""
    telltale = Telltale(brokers="")
    words = ["simulate", "--accounts", "3", "--days", "5", "--end", "2026-11-01"]

    first, again, other = telltale(*words), telltale(*words), telltale(*words, "--seed", "2")

    assert first.out == again.out
    assert first.out != other.out
    assert {"account", "login"} <= {row["type"] for row in first.rows}
    assert "no stories" in first.err


def test_the_stories_of_a_portfolio_say_who_must_alert(tmp_path: Path) -> None:
    """What a replay of the same lines can be judged by."""
    file = tmp_path / "stories"

    Telltale(brokers="")(
        "simulate", "--accounts", "30", "--days", "100", "--stories", str(file), "--end", "2026-11-01"
    )

    assert '"signs":["went_dark"]' in file.read_text()
