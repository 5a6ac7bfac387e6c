"""Scorecards: reading them, refusing bad ones, choosing one, and changing them while accounts are scored."""

from pathlib import Path

import pytest

from pipeline.health.components import COMPONENT_NAMES
from pipeline.health.curves import Curve, Steps
from pipeline.health.events import LifecycleStage, Scorecards, Segment
from pipeline.health.fold import PartitionFold
from pipeline.health.windows import DAY, HOUR
from pipeline.scorecards import SHIPPED, NoScorecards, load_scorecards, read_documents
from pipeline.scorecards.reading import Document, InvalidScorecards, read_scorecards
from tests.unit.health.health_builders import (
    CARDS,
    START,
    WHOLE,
    Partition,
    entry,
    facts,
    living_account,
    login,
    scorecards_with,
)


def test_scorecards_of_a_log_that_cannot_be_read_are_of_a_newer_release() -> None:
    """Whoever is told of the fault must not look for it in the files."""
    documents = (*CARDS.documents[:-1], CARDS.documents[-1] + "[champion_gone]\nsponsors = 1\n")

    with pytest.raises(InvalidScorecards, match="in the scorecards of the account log") as raised:
        read_documents(documents)

    assert "champion_gone is unknown" in str(raised.value)
    assert "newer release" in raised.value.hint


def test_the_shipped_scorecards_carry_the_weights_and_edges_of_the_domain() -> None:
    """
    Usage 40, support 25, sentiment 20, billing 15; bands from 75, 50 and 25, by 3 points and 10 minutes.
    """
    card = CARDS.of("MID", "LIVE", None)

    weights = dict(zip(COMPONENT_NAMES, card.weights, strict=True))
    assert weights | {"usage": 40, "support": 25, "sentiment": 20, "billing": 15} == weights
    assert (card.bands.healthy_from, card.bands.watch_from, card.bands.at_risk_from) == (75, 50, 25)
    assert (card.bands.hysteresis, card.bands.hold_minutes, card.bands.least_coverage) == (3, 10, 0.5)


@pytest.mark.parametrize(
    ("segment", "stage", "age", "name"),
    [
        ("ENTERPRISE", "LIVE", 400, "enterprise"),
        ("MID", "LIVE", None, "mid"),
        ("SMALL", "LEAVING", 90, "small"),
        ("UNKNOWN", "UNKNOWN", None, "mid"),
        ("ENTERPRISE", "LIVE", 89, "onboarding"),
        ("SMALL", "ONBOARDING", 500, "onboarding"),
    ],
)
def test_a_scorecard_is_chosen_by_segment_and_age(
    segment: Segment, stage: LifecycleStage, age: int | None, name: str
) -> None:
    """Young accounts and those in onboarding have one of their own."""
    assert CARDS.of(segment, stage, age).name == name


def test_an_account_outgrows_the_onboarding_scorecard() -> None:
    """On its 90th day it is scored like the others, and says so."""
    partition = Partition()
    partition.hear(facts(start_day=START // DAY - 80))
    partition.run_until(START + 12 * DAY)

    assert [snapshot.scorecard_name for snapshot in partition.snapshots] == ["onboarding", "mid"]


def documents(**changes: str) -> list[Document]:
    """The shipped files, the text of some changed: ``mid="weights"`` takes a table's name out."""
    texts = {path.stem: path.read_text("utf-8") for path in SHIPPED.glob("*.toml")}
    return [Document(f"{name}.toml", changes.get(name, text)) for name, text in sorted(texts.items())]


def refused(old: str, new: str) -> str:
    """What is said of mid.toml with a piece of its text replaced."""
    text = (SHIPPED / "mid.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(InvalidScorecards) as raised:
        read_scorecards(documents(mid=text.replace(old, new, 1)))
    return str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("usage = 40", "usage = -1", "mid.toml line 9: weights.usage is -1: give it a number from 0 to 100"),
        ("usage = 40", "useage = 40", "mid.toml line 9: weights.useage is no component: use usage"),
        ("hold_minutes = 10", "hold_minutes = true", "bands.hold_minutes is True: give it a number"),
        ("missing_days = 21", "missing_days = 21.5", "usage.missing_days is 21.5: give it a whole number"),
        ("missing_days = 21", "missing_days = 3", "usage.missing_days is 3: it can be 7 to 60"),
        ("factor = 2", "faktor = 2", "went_dark.faktor is unknown: take it out, or use factor"),
        ("factor = 2", "zz = 2", "went_dark.zz is unknown: take it out, or use severity, play, minimum_days"),
        ('name = "mid"', "", "mid.toml: name is missing: give it a text"),
        ("factor = 2", "factor = nan", "went_dark.factor is nan: give it a number"),
        (
            "factor = 2",
            f"factor = 1{'0' * 400}",
            "went_dark.factor is 100000000000000000...0000000000000000000: give it a number",
        ),
        ("usage = 40", f"usage = -1{'0' * 400}", "line 9: weights.usage is -10000000000000000"),
        ("usage = 40", f"usage = 0x{'f' * 4000}", "line 9: weights.usage is too long to show: give it a"),
        ("factor = 2", f"factor = 0x{'f' * 4000}", "went_dark.factor is too long to show: give it a number"),
        ('name = "mid"', f"name = [0x{'f' * 4000}]", "line 3: name is too long to show: give it a text"),
        (
            "[0.5, 50]",
            f"[0.5, 1{'0' * 400}]",
            "usage.breadth must be a list of points [x, y]",
        ),
        ("factor = 2", f"factor = 1{'0' * 5000}", "mid.toml: not TOML: Exceeds the limit"),
        (
            'severity = "WARNING"',
            'severity = "URGENT"',
            "is 'URGENT': use 'INFO', 'WARNING', 'HIGH' or 'CRITICAL'",
        ),
        ('name = "mid"', 'name = ""', "line 3: name is '': give it a text"),
        ("breach = [25, 12, 6, 3]", "breach = [25, 12, 6]", "support.breach must be a list of 4 values"),
        (
            "[6, 80], [7, 74]",
            "[6, 70], [7, 74]",
            "billing.past_due must not rise: a larger value cannot score better",
        ),
        ("[0.5, 50], [0.8, 75]", "[0.9, 50], [0.8, 75]", "usage.breadth must have points whose x rises"),
        ("[0.5, 50]", "[0.5]", "usage.breadth must be a list of points [x, y]"),
        (
            "healthy_from = 75",
            "healthy_from = 45",
            "bands.healthy_from the bands must rise, each wider than twice",
        ),
        ('"MID", ', "", "no scorecard serves the segment MID: name it in the segments of exactly one"),
        ('["MID", "UNKNOWN"]', '["MID", "UNKNOWN", "SMALL"]', "mid, small all serve the segment SMALL"),
        ('name = "mid"', 'name = "small"', 'two scorecards are named "small": rename one'),
        (
            "onboarding_days = 0",
            "onboarding_days = 90",
            "segments must be empty in a scorecard with onboarding_days",
        ),
        ("[weights]", "[weight]", "weights is missing: add a table with usage, support, sentiment, billing"),
        ("[weights]", "[weights", "mid.toml: not TOML:"),
    ],
)
def test_a_bad_scorecard_is_refused_with_file_line_and_hint(old: str, new: str, says: str) -> None:
    """Nobody is scored by a typing error."""
    assert says in refused(old, new)


def test_all_faults_are_told_at_once() -> None:
    """Of every file, so that one correction is enough."""
    texts = {name: (SHIPPED / f"{name}.toml").read_text("utf-8") for name in ("mid", "small")}
    mid = texts["mid"].replace("usage = 40", "usage = 400").replace("factor = 2", "factor = -2")
    small = texts["small"].replace("points = 15", "points = 0")

    with pytest.raises(InvalidScorecards, match="3 faults in the scorecards") as raised:
        read_scorecards(documents(mid=mid, small=small))

    assert [fault.split(" ")[0] for fault in raised.value.faults] == ["mid.toml", "mid.toml", "small.toml"]


def test_a_users_folder_overrides_ours_file_by_name(tmp_path: Path) -> None:
    """A file of the same name stands in ours's place, the others stay."""
    text = (SHIPPED / "mid.toml").read_text("utf-8").replace('version = "1"', 'version = "ours-2"')
    (tmp_path / "mid.toml").write_text(text)

    cards = load_scorecards(tmp_path)

    assert cards.of("MID", "LIVE", None).version == "ours-2"
    assert cards.of("SMALL", "LIVE", None).version == "1"


def test_a_folder_without_scorecards_is_a_mistake(tmp_path: Path) -> None:
    """Silently using ours would score by numbers nobody meant."""
    with pytest.raises(NoScorecards, match=r"no \*\.toml in"):
        load_scorecards(tmp_path)


def test_new_scorecards_score_every_account_again() -> None:
    """A version of kind SCORECARD says that the configuration moved it and not the customer."""
    partition = living_account()
    before = partition.snapshots[-1]

    partition.advance(Scorecards(list(scorecards_with(weights__usage=5).documents)), before.as_of + HOUR)

    change = partition.changes[-1]
    assert change.kind == "SCORECARD"
    assert change.causes == ()
    assert partition.snapshots[-1].components[0].weight == 5


def test_the_scorecards_already_active_change_nothing() -> None:
    """They are written at every start."""
    partition = living_account()
    versions = len(partition.changes)

    partition.advance(Scorecards(list(CARDS.documents)), partition.fold.watermark)

    assert len(partition.changes) == versions


def test_scorecards_stop_and_go_on_within_a_step_limit() -> None:
    """Each call scores what fits, and the position says how far it came."""
    fold = PartitionFold(0, read_documents)
    fold.advance(entry(Scorecards(list(CARDS.documents)), START, 0), 0, WHOLE)
    for number, account in enumerate(("alder", "birch", "willow"), 1):
        fold.apply(account, entry(login(START), START, number), number)
    fold.take_step()
    other = entry(Scorecards(list(scorecards_with(weights__usage=5).documents)), START, 0)

    done = [fold.advance(other, 4, 1)]
    changed = [list(fold.take_step().changed)]
    while not done[-1]:
        assert (fold.next_offset, fold.timers_fired) == (4, len(done))
        done.append(fold.advance(other, 4, 1))
        changed.append(list(fold.take_step().changed))

    assert changed == [["alder"], ["birch"], ["willow"]]
    assert (fold.next_offset, fold.timers_fired) == (5, 0)


def test_scorecards_this_version_cannot_read_stop_the_fold() -> None:
    """Scoring on by other numbers than the other workers would be worse."""
    with pytest.raises(InvalidScorecards, match="not TOML"):
        PartitionFold(0, read_documents).advance(entry(Scorecards(["nonsense"]), START, 0), 0, WHOLE)


@pytest.mark.parametrize(("x", "y"), [(-1, 0), (0, 0), (0.25, 25), (0.5, 50), (0.65, 62.5), (9, 75)])
def test_a_curve_runs_straight_between_its_points_and_level_beyond(x: float, y: float) -> None:
    """The first and the last point hold outside."""
    assert Curve((0, 0.5, 0.8), (0, 50, 75)).at(x) == pytest.approx(y)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (6.9, 0), (7, 60), (8, 60), (9, 100), (10, 100)])
def test_stairs_hold_from_each_step_on(x: float, y: float) -> None:
    """An NPS of 7 is a passive, 9 a promoter."""
    assert Steps((0, 7, 9), (0, 60, 100)).at(x) == y


def test_logins_are_never_compared_with_nothing() -> None:
    """With 0 as the least usual logins a week, an account that had none would be divided by."""
    text = (
        (SHIPPED / "mid.toml")
        .read_text("utf-8")
        .replace("volume_least_weekly = 5", "volume_least_weekly = 0")
    )

    with pytest.raises(InvalidScorecards, match="volume_least_weekly"):
        read_scorecards([Document("mid.toml", text)])
