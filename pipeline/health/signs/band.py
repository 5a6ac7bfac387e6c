"""Band: the account entered AT_RISK or CRITICAL, by its score after the hold or at once by a band floor."""

from operator import attrgetter

from pipeline.health.account import AccountState
from pipeline.health.band_floors import floor_evidence
from pipeline.health.bands import forced
from pipeline.health.components import COMPONENTS
from pipeline.health.derived_state import Alert
from pipeline.health.outputs import Evidence
from pipeline.health.scorecard import BandEntered, Scorecard
from pipeline.health.signs.sign import Finding, Sign

_WORDS = {"AT_RISK": "at risk", "CRITICAL": "critical", "WATCH": "watch", "HEALTHY": "healthy"}


def find_bad_band(
    state: AccountState,
    scorecard: Scorecard,
    numbers: BandEntered,
    alert: Alert | None,
    _explained: tuple[str, ...],
) -> Finding | None:
    """
    Judged on the computed band. While a person's override is active nothing opens: somebody has already
    looked.

    Not when UNKNOWN; but what is open stays open then, for too little known is no recovery. The evidence is
    what made the band: the facts of the floor that forces it, and the score where that alone is as bad.
    """
    derived = state.derived
    band = forced(derived.band, derived.forced_by)
    if alert is None and (state.override is not None or band == "UNKNOWN"):
        return None
    if band in {"HEALTHY", "WATCH"}:
        return None
    severity = numbers.critical_severity if band == "CRITICAL" else numbers.at_risk_severity
    weakest = _weakest(state)
    words = f"is {_WORDS.get(band, 'unknown')}"
    if derived.score is not None:
        words += f", score {derived.score:.0f}"
    if derived.forced_by is not None:
        words += f", forced by {derived.forced_by}"
    elif weakest is not None:
        words += f"; weakest is {weakest[1]}: {weakest[2]}"
    evidence: list[Evidence] = []
    if derived.forced_by is not None:
        evidence += floor_evidence(state, state.as_of, scorecard)
    if band == derived.band and derived.score is not None:
        evidence.append(Evidence(fact="score", value=derived.score, usual=scorecard.bands.watch_from))
        if weakest is not None:
            evidence.append(Evidence(fact=f"{weakest[1]}_score", value=weakest[0]))
    return Finding(
        severity,
        words,
        tuple(evidence),
        numbers.play,
        derived.forced_due_at if band != derived.band else derived.band_due_at,
        derived.moved_occurred_at,
        derived.moved_heard_at,
    )


def _weakest(state: AccountState) -> tuple[float, str, str] | None:
    """Score, name and reason of the known component with the lowest score."""
    derived = state.derived
    return min(
        (
            (score, component.name, reason)
            for score, component, reason in zip(derived.scores, COMPONENTS, derived.reasons, strict=True)
            if score is not None
        ),
        default=None,
    )


def _recovered(state: AccountState) -> str:
    derived = state.derived
    score = "" if derived.score is None else f", score {derived.score:.0f}"
    return f"is back to {_WORDS.get(derived.band, 'unknown')}{score}"


BAND = Sign(name="band", numbers=attrgetter("band_entered"), detect=find_bad_band, recovered=_recovered)
