"""Went dark: no login for longer than the account's own rhythm allows."""

from operator import attrgetter

from pipeline.health.account import AccountState
from pipeline.health.components.assessment import count
from pipeline.health.derived_state import Alert
from pipeline.health.outputs import Evidence
from pipeline.health.scorecard import Scorecard, WentDark
from pipeline.health.signs.sign import Finding, Sign
from pipeline.health.windows import DAY, day_of


def find_silence(
    state: AccountState,
    scorecard: Scorecard,
    numbers: WentDark,
    alert: Alert | None,
    _explained: tuple[str, ...],
) -> Finding | None:
    """
    Due ``allowed_silence`` after the last login, to the millisecond, by the clock: what has not been heard
    yet may be a login.

    Nothing without a rhythm: an account that hardly ever logged in does not go dark, it never came. What is
    open ends with a login alone, not with other seats that allow a longer silence.
    """
    dark_at = state.dark_at
    if alert is not None and state.last_login_heard_at < alert.opened_at:
        dark_at = alert.opened_at  # still the same silence, whatever would be allowed now
    if not 0 < dark_at <= state.watermark:
        return None
    silent_days = (state.watermark - state.last_login_at) // DAY
    active_days = scorecard.usage.active_days
    people = state.people.active(day_of(state.last_login_at), active_days)
    return Finding(
        severity=numbers.severity,
        reason=f"went dark, no login for {count(silent_days, 'day')} (longest before: {state.longest_gap})",
        evidence=(
            Evidence(fact="days_since_login", value=float(silent_days), usual=float(state.longest_gap)),
            Evidence(fact="allowed_days", value=round(state.allowed_silence / DAY, 4)),
            Evidence(fact=f"people_active_{active_days}_days_before", value=float(people)),
        ),
        play=numbers.play,
        due_at=dark_at,
        occurred_at=state.last_login_at,
        observed_at=state.last_login_heard_at,
    )


def _dark_at(state: AccountState, _numbers: WentDark) -> int:
    return state.dark_at


def _back(_state: AccountState) -> str:
    return "is back, people are signing in again"


WENT_DARK = Sign(
    name="went_dark",
    numbers=attrgetter("went_dark"),
    explains=("usage",),
    detect=find_silence,
    recovered=_back,
    next_due=_dark_at,
)
