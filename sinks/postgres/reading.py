"""
Questions people ask about what the sink stored, for the command line: the portfolio, an account, alerts, freshness.

Only views and rows are read; nothing is computed that dashboards would compute otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

from sqlalchemy import text

from sinks.postgres.connection import make_engine, transaction

Group: TypeAlias = Literal["segment", "owner", "region"]
Json: TypeAlias = Mapping[str, Any]
"""A part of a record as the schema has it, times as ISO text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioLine:
    """Customers of today in one group and one currency; *cmrr* is per month, and 0 where no account tells it."""

    group: str | None
    currency: str | None
    accounts: int
    accounts_at_risk: int
    cmrr: Decimal
    cmrr_at_risk: Decimal
    accounts_without_cmrr: int
    accounts_by_band: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHealth:
    """Facts and latest health of one account; *left* if it is a customer no more."""

    account_id: str
    name: str | None
    segment: str | None
    lifecycle_stage: str | None
    owner: str | None
    region: str | None
    seats: int | None
    cmrr: Decimal | None
    currency: str | None
    renewal_date: date | None
    leaves_on: date | None
    closed: bool
    left: bool
    epoch: int
    version: int
    score: float | None
    score_7d_ago: float | None
    score_28d_ago: float | None
    band: str
    computed_band: str
    forced_by: str | None
    coverage: float
    components: list[Json]
    open_alerts: list[Json]
    override: Json | None
    scorecard_name: str
    scorecard_version: str
    as_of: datetime
    scored_at: datetime | None
    committed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One version of an account's health: what it moved, and the events that did it."""

    epoch: int
    version: int
    kind: str
    as_of: datetime
    score_before: float | None
    score_after: float | None
    band_before: str
    band_after: str
    coverage_before: float
    coverage_after: float
    points: list[Json]
    causes: list[Json]
    causes_count: int
    scorecard_name: str
    scorecard_version: str
    scored_at: datetime | None
    committed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One transition of an alert; where the latest is asked for, its state."""

    alert_id: str
    sequence: int
    story_id: str
    account_id: str
    account_name: str | None
    sign: str
    transition: str
    severity: str
    score_before: float | None
    score_after: float | None
    points: list[Json]
    band: str
    reason: str
    evidence: list[Json]
    play: str
    respond_by: datetime | None
    cmrr: Decimal | None
    currency: str | None
    renewal_date: date | None
    owner: str | None
    opened_at: datetime
    occurred_at: datetime | None
    observed_at: datetime | None
    due_at: datetime | None
    resolved_by: str | None
    as_of: datetime
    scored_at: datetime | None
    committed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why an account stands where it stands: *changes* newest first, *alerts* that are open, oldest first."""

    account: AccountHealth
    changes: tuple[Change, ...]
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """
    How new the newest rows are; None where there is none yet.

    *row_seconds_p50* and *_p99* are from the moment a worker scored a change until its row was written, over the
    changes written in the last hour and not more than a day old then.
    """

    accounts: int
    newest_as_of: datetime | None
    newest_committed_at: datetime | None
    now: datetime
    rows_last_hour: int
    row_seconds_p50: float | None
    row_seconds_p99: float | None


_ACCOUNT: Final = """
SELECT account.account_id, name, segment, lifecycle_stage, owner, region, seats, cmrr, currency, renewal_date, leaves_on,
       closed, NOT EXISTS (SELECT FROM current_account AS today WHERE today.account_id = account.account_id) AS left,
       snapshot.epoch, snapshot.version, score, score_7d_ago, score_28d_ago, band, computed_band, forced_by, coverage,
       components, open_alerts, override, scorecard_name, scorecard_version, snapshot.as_of, scored_at,
       snapshot.committed_at
FROM account JOIN health_snapshot AS snapshot USING (account_id)
"""
_FRESHNESS: Final = """
SELECT (SELECT count(*) FROM current_account) AS accounts,
       (SELECT max(as_of) FROM health_snapshot) AS newest_as_of,
       (SELECT max(committed_at) FROM health_snapshot) AS newest_committed_at,
       clock_timestamp() AS now, count(*) AS rows_last_hour,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM committed_at - scored_at)) AS row_seconds_p50,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM committed_at - scored_at)) AS row_seconds_p99
FROM health_change
WHERE as_of > now() - interval '1 day' AND committed_at > now() - interval '1 hour'
"""
_BANDS: Final = ("healthy", "watch", "band_at_risk", "band_critical", "unknown")
_BAND_SYMBOLS: Final = ("HEALTHY", "WATCH", "AT_RISK", "CRITICAL", "UNKNOWN")


class HealthReader:
    """Answers from the Postgres at *dsn*; every method may raise ``DatabaseAway``."""

    def __init__(self, dsn: str) -> None:
        self._engine = make_engine(dsn, application="telltale-reader")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.dispose()

    def portfolio(self, by: Group = "segment") -> tuple[PortfolioLine, ...]:
        """Today's customers by *by* and currency, most CMRR at risk first; each account is in one line."""
        found = self._rows(f"SELECT * FROM portfolio_by_{by} ORDER BY cmrr_at_risk DESC, cmrr DESC, {by}")  # noqa: S608 - a literal
        return tuple(
            PortfolioLine(
                group=row[by],
                **{
                    name: row[name]
                    for name in PortfolioLine.__dataclass_fields__
                    if name not in {"group", "accounts_by_band"}
                },
                accounts_by_band={
                    symbol: row[f"accounts_{name}"]
                    for symbol, name in zip(_BAND_SYMBOLS, _BANDS, strict=True)
                },
            )
            for row in found
        )

    def accounts(self, *, band: str | None = None, limit: int = 50) -> tuple[AccountHealth, ...]:
        """Today's customers, of *band* if given, lowest score first and the most CMRR before the less."""
        current = "WHERE account_id IN (SELECT account_id FROM current_account) AND (CAST(:band AS text) IS NULL OR band = :band)"
        order = "ORDER BY score NULLS LAST, cmrr DESC NULLS LAST, account_id LIMIT :limit"
        found = self._rows(f"{_ACCOUNT} {current} {order}", band=band, limit=limit)
        return tuple(AccountHealth(**row) for row in found)

    def explain(self, account_id: str, *, changes: int = 10) -> Explanation | None:
        """Everything about one account, with its last *changes*; None if it is not known."""
        found = self._rows(f"{_ACCOUNT} WHERE account.account_id = :account", account=account_id)
        if not found:
            return None
        return Explanation(
            account=AccountHealth(**found[0]),
            changes=self.changes(account_id, limit=changes),
            alerts=self.alerts(account_id=account_id),
        )

    def changes(self, account_id: str, *, limit: int = 10) -> tuple[Change, ...]:
        """The last changes of one account, newest first."""
        found = self._rows(
            f"SELECT {_columns(Change)} FROM health_change WHERE account_id = :account "  # noqa: S608 - our own names
            "ORDER BY epoch DESC, version DESC LIMIT :limit",
            account=account_id,
            limit=limit,
        )
        return tuple(Change(**row) for row in found)

    def alerts(
        self, *, account_id: str | None = None, story_id: str | None = None, limit: int = 100
    ) -> tuple[Alert, ...]:
        """Alerts that are open, oldest first: all, one account's, or one story's."""
        found = self._rows(
            f"SELECT {_columns(Alert)} FROM alert WHERE transition <> 'RESOLVED' "  # noqa: S608 - our own names
            "AND (CAST(:account AS text) IS NULL OR account_id = :account) AND (CAST(:story AS text) IS NULL OR story_id = :story) "
            "ORDER BY opened_at, alert_id LIMIT :limit",
            account=account_id,
            story=story_id,
            limit=limit,
        )
        return tuple(Alert(**row) for row in found)

    def story(self, story_id: str) -> tuple[Alert, ...]:
        """Every transition of every alert of one story, in their order."""
        found = self._rows(
            f"SELECT {_columns(Alert)} FROM alert_event WHERE story_id = :story "  # noqa: S608 - our own names
            "ORDER BY as_of, alert_id, sequence",
            story=story_id,
        )
        return tuple(Alert(**row) for row in found)

    def freshness(self) -> Freshness:
        """How new what is stored is."""
        [row] = self._rows(_FRESHNESS)
        return Freshness(**row)

    def _rows(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        with transaction(self._engine) as connection:
            return [dict(row) for row in connection.execute(text(query), parameters).mappings()]


def _columns(of: type[Change | Alert]) -> str:
    return ", ".join(of.__dataclass_fields__)
