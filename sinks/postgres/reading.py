"""
Questions people ask about what the sink stored, for the command line: the portfolio, an account, alerts,
freshness.

Only views and rows are read; nothing is computed that dashboards would compute otherwise.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import text

from sinks.postgres.answers import (
    AccountHealth,
    Alert,
    Change,
    Explanation,
    Freshness,
    Group,
    PortfolioLine,
)
from sinks.postgres.connection import make_engine
from sinks.postgres.transactions import transaction

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

    def server_version(self) -> int:
        """The server's major version."""
        [row] = self._rows("SELECT current_setting('server_version_num')::integer / 10000 AS major")
        return int(row["major"])

    def positions(self, group: str) -> Mapping[tuple[str, int], int]:
        """Up to which offset the sink of consumer group *group* has stored, by topic and partition."""
        query = "SELECT topic, partition, next_offset FROM sink_offset WHERE consumer_group = :group"
        return {
            (row["topic"], row["partition"]): row["next_offset"] for row in self._rows(query, group=group)
        }

    def last_heard(self, application: str) -> int:
        """
        When a connection named *application* to this database last began or ended a request, ms UTC; 0 for
        never.
        """
        [row] = self._rows(
            "SELECT max(state_change) AS heard FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = :application",
            application=application,
        )
        return 0 if row["heard"] is None else int(row["heard"].timestamp() * 1000)

    def _rows(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        with transaction(self._engine) as connection:
            return [dict(row) for row in connection.execute(text(query), parameters).mappings()]


def _columns(of: type[Change | Alert]) -> str:
    return ", ".join(of.__dataclass_fields__)
