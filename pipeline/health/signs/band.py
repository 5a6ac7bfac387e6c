"""Band: the account entered AT_RISK or CRITICAL, by its score after the hold or at once by a band floor."""

from operator import attrgetter

from pipeline.health.account import AccountState
from pipeline.health.band_floors import floor_evidence
from pipeline.health.bands import forced
from pipeline.health.components import COMPONENTS
from pipeline.health.outputs import Evidence
from pipeline.health.scorecard import BandEntered, Scorecard
from pipeline.health.signs.sign import Finding, Sign
from pipeline.health.standing import Alert

_WORDS = {"AT_RISK": "at risk", "CRITICAL": "critical", "WATCH": "watch", "HEALTHY": "healthy"}


def find_bad_band(
    state: AccountState,
    scorecard: Scorecard,
    numbers: BandEntered,
    alert: Alert | None,
    _explained: tuple[str, ...],
) -> Finding | None:
    """
    Judged on the computed band. While a person's override is in force nothing opens: somebody has already looked.

    Not when UNKNOWN; but what is open stays open then, for too little known is no recovery. The evidence is what made the band:
    the facts of the floor that forces it, and the score where that alone is as bad.
    """
    standing = state.standing
    band = forced(standing.band, standing.forced_by)
    if alert is None and (state.override is not None or band == "UNKNOWN"):
        return None
    if band in {"HEALTHY", "WATCH"}:
        return None
    severity = numbers.critical_severity if band == "CRITICAL" else numbers.at_risk_severity
    weakest = _weakest(state)
    words = f"is {_WORDS.get(band, 'unknown')}"
    if standing.score is not None:
        words += f", score {standing.score:.0f}"
    if standing.forced_by is not None:
        words += f", forced by {standing.forced_by}"
    elif weakest is not None:
        words += f"; weakest is {weakest[1]}: {weakest[2]}"
    evidence: list[Evidence] = []
    if standing.forced_by is not None:
        evidence += floor_evidence(state, state.as_of, scorecard)
    if band == standing.band and standing.score is not None:
        evidence.append(Evidence(fact="score", value=standing.score, usual=scorecard.bands.watch_from))
        if weakest is not None:
            evidence.append(Evidence(fact=f"{weakest[1]}_score", value=weakest[0]))
    return Finding(
        severity,
        words,
        tuple(evidence),
        numbers.play,
        standing.forced_due_at if band != standing.band else standing.band_due_at,
        standing.moved_occurred_at,
        standing.moved_heard_at,
    )


def _weakest(state: AccountState) -> tuple[float, str, str] | None:
    """Score, name and reason of the known component with the lowest score."""
    standing = state.standing
    return min(
        (
            (score, component.name, reason)
            for score, component, reason in zip(standing.scores, COMPONENTS, standing.reasons, strict=True)
            if score is not None
        ),
        default=None,
    )


def _recovered(state: AccountState) -> str:
    standing = state.standing
    score = "" if standing.score is None else f", score {standing.score:.0f}"
    return f"is back to {_WORDS.get(standing.band, 'unknown')}{score}"


BAND = Sign(name="band", numbers=attrgetter("band_entered"), detect=find_bad_band, recovered=_recovered)
