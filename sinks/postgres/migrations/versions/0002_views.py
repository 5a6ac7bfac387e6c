"""
Views for dashboards and analysts, who are to read these and not the tables.

All portfolio figures stand on ``current_account``, in which each account that is a customer today is one row,
so that they reconcile with it and with each other. Money is never summed over currencies. Days are UTC.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_CURRENT_ACCOUNT = """
CREATE VIEW current_account AS
SELECT account_id, name, coalesce(segment, 'UNKNOWN') AS segment, lifecycle_stage, owner, region, seats, cmrr, currency,
       renewal_date, leaves_on, score, score - score_7d_ago AS change_7d, score - score_28d_ago AS change_28d, band,
       band IN ('AT_RISK', 'CRITICAL') AS at_risk, computed_band, forced_by, coverage, components, open_alerts,
       override, scorecard_name, scorecard_version, health_snapshot.as_of, scored_at, health_snapshot.committed_at
FROM account JOIN health_snapshot USING (account_id)
WHERE NOT closed
  AND lifecycle_stage IS DISTINCT FROM 'LEFT'
  AND (leaves_on IS NULL OR leaves_on > (now() AT TIME ZONE 'UTC')::date)
"""

_PORTFOLIO = """
CREATE VIEW portfolio_by_{group} AS
SELECT {group}, currency,
       count(*) AS accounts,
       count(*) FILTER (WHERE at_risk) AS accounts_at_risk,
       coalesce(sum(cmrr), 0) AS cmrr,
       coalesce(sum(cmrr) FILTER (WHERE at_risk), 0) AS cmrr_at_risk,
       count(*) FILTER (WHERE cmrr IS NULL) AS accounts_without_cmrr,
       {bands}
FROM current_account
GROUP BY {group}, currency
"""

_BAND = """count(*) FILTER (WHERE band = '{symbol}') AS accounts_{name},
       coalesce(sum(cmrr) FILTER (WHERE band = '{symbol}'), 0) AS cmrr_{name}"""

# at_risk is taken by the sum over both bands that are at risk.
_BANDS = {
    "HEALTHY": "healthy",
    "WATCH": "watch",
    "AT_RISK": "band_at_risk",
    "CRITICAL": "band_critical",
    "UNKNOWN": "unknown",
}

_HEALTH_DAILY = """
CREATE VIEW health_daily AS
WITH day_end AS (
    SELECT DISTINCT ON (account_id, (as_of AT TIME ZONE 'UTC')::date)
           account_id, (as_of AT TIME ZONE 'UTC')::date AS day,
           score_after AS score, band_after AS band, coverage_after AS coverage
    FROM health_change
    ORDER BY account_id, (as_of AT TIME ZONE 'UTC')::date, epoch DESC, version DESC
), held AS (
    SELECT day_end.*, lead(day) OVER (PARTITION BY account_id ORDER BY day) - 1 AS last_day FROM day_end
)
SELECT held.account_id, held.day + n AS day, held.score, held.band, held.coverage, n = 0 AS changed
FROM held
LEFT JOIN account USING (account_id)
CROSS JOIN LATERAL generate_series(0, coalesce(
    held.last_day,
    CASE WHEN account.closed THEN held.day
         ELSE greatest(held.day, least((now() AT TIME ZONE 'UTC')::date, account.leaves_on - 1)) END
) - held.day) AS n
"""

_TIME_TO_DETECT = """
CREATE VIEW alert_time_to_detect AS
SELECT alert_id, sequence, story_id, account_id, sign, severity, transition,
       coalesce(due_at, observed_at) AS detectable_at, scored_at, committed_at,
       extract(epoch FROM scored_at - coalesce(due_at, observed_at))::double precision AS scored_seconds,
       extract(epoch FROM committed_at - coalesce(due_at, observed_at))::double precision AS stored_seconds,
       committed_at - coalesce(due_at, observed_at) < interval '24 hours' AS live
FROM alert_event
WHERE transition IN ('OPENED', 'ESCALATED', 'REOPENED')
"""

_COMMENTS = {
    "current_account": "Every account that is a customer today, once, with its facts and its latest health.",
    "portfolio_by_segment": "Accounts and CMRR by segment and currency; at risk is AT_RISK and CRITICAL together.",
    "portfolio_by_owner": "Accounts and CMRR by owner and currency; at risk is AT_RISK and CRITICAL together.",
    "portfolio_by_region": "Accounts and CMRR by region and currency; at risk is AT_RISK and CRITICAL together.",
    "health_daily": "Score and band of each account at the end of each day; days without a change repeat the last.",
    "alert_time_to_detect": "From the moment an alert could be known until it was scored and stored; "
    "not live: loaded with a history, or after a long outage.",
}


def upgrade() -> None:
    """Create the views."""
    op.execute(_CURRENT_ACCOUNT)
    bands = ",\n       ".join(_BAND.format(symbol=symbol, name=name) for symbol, name in _BANDS.items())
    for group in ("segment", "owner", "region"):
        op.execute(_PORTFOLIO.format(group=group, bands=bands))
    op.execute(_HEALTH_DAILY)
    op.execute(_TIME_TO_DETECT)
    for view, comment in _COMMENTS.items():
        op.execute(f"COMMENT ON VIEW {view} IS '{comment}'")


def downgrade() -> None:
    """Drop the views."""
    for view in reversed(_COMMENTS):
        op.execute(f"DROP VIEW {view}")
