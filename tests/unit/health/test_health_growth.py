"""Scorecards and states of before a field, a component or a sign was known: they mean what they meant."""

import re
import tomllib

import pytest

from pipeline.health.derived_state import DerivedState
from pipeline.health.events import Scorecards
from pipeline.health.history import COMPONENT_DAYS
from pipeline.health.scorecard import ScorecardSet
from pipeline.health.windows import DAY, HOUR
from pipeline.scorecards import SHIPPED
from pipeline.scorecards.reading import Document, read_scorecards
from tests.unit.health.health_builders import CARDS, START, Partition, living_account, nps, scorecards_with


def without(*pieces: str) -> ScorecardSet:
    """The shipped scorecards, with every line or table that matches one of *pieces* taken out."""
    texts = []
    for text in CARDS.documents:
        for piece in pieces:
            pattern = (
                rf"(?ms)^\[{piece[1:-1]}\]\n.*?(?=^\[|\Z)"
                if piece.startswith("[")
                else rf"(?m)^{piece} =.*\n"
            )
            text, found = re.subn(pattern, "", text)  # noqa: PLW2901
            assert found, f"{piece} stands in no scorecard"
        texts.append(text)
    return read_scorecards(Document(f"card {number}", text) for number, text in enumerate(texts))


def test_a_field_that_is_missing_takes_its_default() -> None:
    """The default is what a scorecard without the field has always meant."""
    old, card = without("factor", "hold_minutes").of("MID", "LIVE", None), CARDS.of("MID", "LIVE", None)

    assert old.went_dark == card.went_dark
    assert old.bands == card.bands


def test_a_table_that_is_missing_is_all_defaults() -> None:
    """But for signs, which are off without their table."""
    old = without("[support]", "[bands]").of("MID", "LIVE", None)

    assert old.support.fresh_days == 180
    assert old.bands.healthy_from == 75


@pytest.mark.parametrize("sign", ["went_dark", "score_drop", "band_entered"])
def test_a_sign_without_a_table_is_off(sign: str) -> None:
    """An account that goes silent for a month sets off every other sign."""
    signs = {"went_dark": "went_dark", "score_drop": "score_drop", "band_entered": "band"}
    partition = living_account()
    partition.advance(Scorecards(list(without(f"[{sign}]").documents)), partition.fold.watermark)
    partition.run_until(partition.fold.watermark + 40 * DAY)

    assert signs[sign] not in {alert.sign for alert in partition.alerts}
    assert partition.alerts


def test_an_alert_ends_when_its_sign_is_switched_off() -> None:
    """Nothing would ever resolve it otherwise."""
    partition = living_account()
    partition.run_until(partition.fold.watermark + 20 * DAY)
    partition.advance(Scorecards(list(without("[went_dark]").documents)), partition.fold.watermark + HOUR)

    ended = [alert for alert in partition.alerts if alert.sign == "went_dark"][-1]

    assert (ended.transition, ended.resolved_by) == ("RESOLVED", "scorecard")


def test_silence_costs_usage_points_though_nobody_is_alerted() -> None:
    """The rhythm belongs to the component as well as to the sign."""
    scores = []
    for cards in (CARDS, without("[went_dark]")):
        partition = living_account()
        partition.advance(Scorecards(list(cards.documents)), partition.fold.watermark)
        partition.run_until(partition.fold.watermark + 40 * DAY)
        scores.append(partition.state().derived.scores)

    assert scores[0] == scores[1]


def test_a_component_that_is_not_named_is_left_off() -> None:
    """It is not assessed, whatever is heard, and stands in no output; with weight 0 it is shown."""
    named, left_off = Partition(scorecards_with(weights__sentiment=0)), Partition(without("sentiment"))
    for partition in (named, left_off):
        partition.hear(nps(START, 3))

    shown = [part.name for part in named.snapshots[-1].components]
    others = [name for name in shown if name != "sentiment"]
    assert "sentiment" in shown
    assert [part.name for part in left_off.snapshots[-1].components] == others
    assert [part.component for part in left_off.changes[-1].points] == others
    assert left_off.state().derived.scores[2] is None


def test_a_component_that_is_left_off_later_shows_the_points_it_took_along() -> None:
    """So the points of the change still add up to it."""
    partition = living_account()
    partition.hear(nps(partition.fold.watermark, 0, "EXECUTIVE"))
    partition.advance(Scorecards(list(without("sentiment").documents)), partition.fold.watermark + HOUR)

    change = partition.changes[-1]
    moved = sum(part.points for part in change.points)

    assert "sentiment" in {part.component for part in change.points}
    assert change.score_before is not None
    assert change.score_after is not None
    assert moved == pytest.approx(change.score_after - change.score_before, abs=0.01)


def test_contents_have_a_digest_that_comments_do_not_change() -> None:
    """Two scorecards of one name and version are told apart by what they say."""
    text = (SHIPPED / "mid.toml").read_text("utf-8")
    assert tomllib.loads(text)["bands"]["hold_minutes"] == 10

    def digest(text: str) -> str:
        others = [
            Document(path.name, path.read_text("utf-8"))
            for path in SHIPPED.glob("*.toml")
            if path.stem != "mid"
        ]
        return read_scorecards([Document("mid.toml", text), *others]).of("MID", "LIVE", None).digest

    assert digest(text) == digest("# ours\n" + text.replace("  #", " #"))
    assert digest(text) != digest(text.replace("hold_minutes = 10", "hold_minutes = 11"))


def scored(names: tuple[str, ...]) -> DerivedState:
    """A derived state that has something different to say of each component."""
    derived = DerivedState(names)
    for place in range(len(names)):
        derived.scores[place] = 10.0 * place
        derived.reasons[place] = names[place]
        derived.fresh_until[place] = place
        derived.look_again_at[place] = place
    derived.contributions = tuple(map(float, range(len(names))))
    derived.history.note(20_000, 50.0, derived.scores)
    derived.scored_day = 20_000
    return derived


def test_a_state_takes_in_a_component_it_has_never_heard_of() -> None:
    """The others keep all they knew, wherever the new one stands."""
    derived = scored(("usage", "support"))

    derived.arrange(("usage", "contract", "support"))

    assert derived.scores == [0.0, None, 10.0]
    assert derived.reasons == ["usage", "", "support"]
    assert (derived.fresh_until, derived.look_again_at) == ([0, None, 1], [0, 0, 1])
    assert derived.contributions == (0.0, 0.0, 1.0)
    assert derived.history.components_on(20_000) == [0.0, None, 10.0]
    assert len(derived.history.components) == 3 * COMPONENT_DAYS
    assert derived.scored_day == 20_000


def test_a_state_lets_go_of_a_component_that_is_gone() -> None:
    """Its points are missing from the score then, so the account is judged again at its next entry."""
    derived = scored(("usage", "contract", "support"))

    derived.arrange(("support", "usage"))

    assert derived.scores == [20.0, 0.0]
    assert derived.history.components_on(20_000) == [20.0, 0.0]
    assert derived.scored_day == 0
