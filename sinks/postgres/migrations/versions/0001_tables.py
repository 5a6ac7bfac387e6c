"""Accounts, health, changes, alerts and positions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)
_MONEY = sa.Numeric(18, 4)


def upgrade() -> None:
    """Create the tables; the months of health_change are made as changes come."""
    op.create_table(
        "account",
        sa.Column("account_id", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("segment", sa.Text),
        sa.Column("lifecycle_stage", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("region", sa.Text),
        sa.Column("seats", sa.Integer),
        sa.Column("cmrr", _MONEY),
        sa.Column("currency", sa.Text),
        sa.Column("renewal_date", sa.Date),
        sa.Column("leaves_on", sa.Date),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("as_of", _TIME, nullable=False),
        _committed_at(),
        sa.PrimaryKeyConstraint("account_id", name="pk_account"),
        comment="An account's own facts, as its latest snapshot tells them.",
    )
    op.create_table(
        "health_snapshot",
        sa.Column("account_id", sa.Text),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("computed_band", sa.Text, nullable=False),
        sa.Column("forced_by", sa.Text),
        sa.Column("coverage", sa.Double, nullable=False),
        sa.Column("components", JSONB, nullable=False),
        sa.Column("score_7d_ago", sa.Double),
        sa.Column("score_28d_ago", sa.Double),
        sa.Column("open_alerts", JSONB, nullable=False),
        sa.Column("override", JSONB),
        sa.Column("scorecard_name", sa.Text, nullable=False),
        sa.Column("scorecard_version", sa.Text, nullable=False),
        sa.Column("fold_version", sa.Integer, nullable=False),
        sa.Column("as_of", _TIME, nullable=False),
        sa.Column("scored_at", _TIME),
        _committed_at(),
        sa.PrimaryKeyConstraint("account_id", name="pk_health_snapshot"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.account_id"],
            name="fk_health_snapshot_account_id_account",
            ondelete="CASCADE",
        ),
        comment="The latest health of each account.",
    )
    op.create_index("ix_health_snapshot_band", "health_snapshot", ["band"])
    _create_health_change()
    _create_alerts()
    op.create_table(
        "sink_offset",
        sa.Column("consumer_group", sa.Text),
        sa.Column("topic", sa.Text),
        sa.Column("partition", sa.Integer),
        sa.Column("next_offset", sa.BigInteger, nullable=False, comment="0 before the first record."),
        sa.Column(
            "owner_epoch",
            sa.BigInteger,
            nullable=False,
            comment="Rises with every claim; an older owner is refused.",
        ),
        sa.Column(
            "owner",
            sa.Text,
            nullable=False,
            comment="host:process of the claim, and a number of its own.",
        ),
        sa.Column(
            "topic_id", sa.Text, comment="The topic's id at the broker; null where the broker tells none."
        ),
        sa.Column("updated_at", _TIME, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.PrimaryKeyConstraint("consumer_group", "topic", "partition", name="pk_sink_offset"),
        comment="How far each partition is stored, moved in the transaction that stores the rows.",
    )


def downgrade() -> None:
    """Drop everything."""
    for table in ("sink_offset", "alert_event", "alert", "health_change", "health_snapshot", "account"):
        op.drop_table(table)


def _committed_at() -> sa.Column[object]:
    return sa.Column("committed_at", _TIME, nullable=False, server_default=sa.func.clock_timestamp())


def _create_health_change() -> None:
    op.create_table(
        "health_change",
        sa.Column("account_id", sa.Text),
        sa.Column("epoch", sa.Integer),
        sa.Column("version", sa.BigInteger),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("score_before", sa.Double),
        sa.Column("score_after", sa.Double),
        sa.Column("band_before", sa.Text, nullable=False),
        sa.Column("band_after", sa.Text, nullable=False),
        sa.Column("coverage_before", sa.Double, nullable=False),
        sa.Column("coverage_after", sa.Double, nullable=False),
        sa.Column("points", JSONB, nullable=False),
        sa.Column("causes", JSONB, nullable=False),
        sa.Column("causes_count", sa.Integer, nullable=False),
        sa.Column("scorecard_name", sa.Text, nullable=False),
        sa.Column("scorecard_version", sa.Text, nullable=False),
        sa.Column("fold_version", sa.Integer, nullable=False),
        sa.Column("as_of", _TIME),
        sa.Column("scored_at", _TIME),
        sa.Column("produced_at", _TIME),
        _committed_at(),
        sa.PrimaryKeyConstraint("account_id", "epoch", "version", "as_of", name="pk_health_change"),
        postgresql_partition_by="RANGE (as_of)",
        comment="Every change of an account's health; partitioned by the month of as_of, UTC.",
    )
    op.create_index("ix_health_change_as_of", "health_change", ["as_of"], postgresql_using="brin")
    op.create_index(
        "ix_health_change_account_id_as_of", "health_change", ["account_id", sa.text("as_of DESC")]
    )


def _create_alerts() -> None:
    op.create_table(
        "alert",
        *_alert_columns(),
        sa.PrimaryKeyConstraint("alert_id", name="pk_alert"),
        comment="The latest transition of each alert; open unless that is RESOLVED.",
    )
    op.create_index("ix_alert_account_id", "alert", ["account_id"])
    op.create_index("ix_alert_story_id", "alert", ["story_id"])
    op.create_index(
        "ix_alert_open", "alert", ["opened_at"], postgresql_where=sa.text("transition <> 'RESOLVED'")
    )
    op.create_table(
        "alert_event",
        *_alert_columns(),
        sa.PrimaryKeyConstraint("alert_id", "sequence", name="pk_alert_event"),
        comment="Every transition of every alert.",
    )
    op.create_index("ix_alert_event_story_id", "alert_event", ["story_id"])
    op.create_index("ix_alert_event_as_of", "alert_event", ["as_of"], postgresql_using="brin")
    op.create_index("ix_alert_event_account_id_as_of", "alert_event", ["account_id", sa.text("as_of DESC")])


def _alert_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("story_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("account_name", sa.Text),
        sa.Column("sign", sa.Text, nullable=False),
        sa.Column("transition", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("score_before", sa.Double),
        sa.Column("score_after", sa.Double),
        sa.Column("points", JSONB, nullable=False),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence", JSONB, nullable=False),
        sa.Column("play", sa.Text, nullable=False),
        sa.Column("respond_by", _TIME),
        sa.Column("cmrr", _MONEY),
        sa.Column("currency", sa.Text),
        sa.Column("renewal_date", sa.Date),
        sa.Column("owner", sa.Text),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("occurred_at", _TIME),
        sa.Column("observed_at", _TIME),
        sa.Column("due_at", _TIME),
        sa.Column("resolved_by", sa.Text),
        sa.Column("as_of", _TIME, nullable=False),
        sa.Column("scored_at", _TIME),
        sa.Column("produced_at", _TIME),
        _committed_at(),
    )
