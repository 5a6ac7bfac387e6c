"""
What is stored: accounts, their latest health, every change, alerts and their transitions.

Beside them stand the sink's positions, the records that could not be stored, and the accounts that were
erased. A column that bears the name of a field of the wire schema holds that field, and means what the schema
says; text columns hold the symbols of enums, so that a new symbol needs no migration. Migrations say the same
in steps, and a test holds the two together.
"""

from typing import Final

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_TIME: Final = TIMESTAMP(timezone=True)
_MONEY: Final = Numeric(18, 4)
_JSON: Final = JSONB(none_as_null=True)


def _committed_at() -> Column[object]:
    # The clock, not now(): a transaction may have waited for a lock since it began.
    return Column("committed_at", _TIME, nullable=False, server_default=func.clock_timestamp())


account: Final = Table(
    "account",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("name", Text),
    Column("segment", Text),
    Column("lifecycle_stage", Text),
    Column("owner", Text),
    Column("region", Text),
    Column("seats", Integer),
    Column("cmrr", _MONEY),
    Column("currency", Text),
    Column("renewal_date", Date),
    Column("leaves_on", Date),
    Column("closed", Boolean, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("as_of", _TIME, nullable=False),
    _committed_at(),
    comment="An account's own facts, as its latest snapshot tells them.",
)

health_snapshot: Final = Table(
    "health_snapshot",
    metadata,
    Column("account_id", Text, ForeignKey("account.account_id", ondelete="CASCADE"), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("score", Double),
    Column("band", Text, nullable=False),
    Column("computed_band", Text, nullable=False),
    Column("forced_by", Text),
    Column("coverage", Double, nullable=False),
    Column("components", _JSON, nullable=False),
    Column("score_7d_ago", Double),
    Column("score_28d_ago", Double),
    Column("open_alerts", _JSON, nullable=False),
    Column("override", _JSON),
    Column("scorecard_name", Text, nullable=False),
    Column("scorecard_version", Text, nullable=False),
    Column("fold_version", Integer, nullable=False),
    Column("as_of", _TIME, nullable=False),
    Column("scored_at", _TIME),
    _committed_at(),
    Index(None, "band"),
    comment="The latest health of each account.",
)

health_change: Final = Table(
    "health_change",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("score_before", Double),
    Column("score_after", Double),
    Column("band_before", Text, nullable=False),
    Column("band_after", Text, nullable=False),
    Column("coverage_before", Double, nullable=False),
    Column("coverage_after", Double, nullable=False),
    Column("points", _JSON, nullable=False),
    Column("causes", _JSON, nullable=False),
    Column("causes_count", Integer, nullable=False),
    Column("scorecard_name", Text, nullable=False),
    Column("scorecard_version", Text, nullable=False),
    Column("fold_version", Integer, nullable=False),
    # Part of the key because the table is partitioned by it; the same version always has the same time.
    Column("as_of", _TIME, primary_key=True),
    Column("scored_at", _TIME),
    Column("produced_at", _TIME),
    _committed_at(),
    postgresql_partition_by="RANGE (as_of)",
    comment="Every change of an account's health; partitioned by the month of as_of, UTC.",
)
Index(None, health_change.c.as_of, postgresql_using="brin")
Index("ix_health_change_account_id_as_of", health_change.c.account_id, health_change.c.as_of.desc())


def _alert_columns() -> tuple[Column[object], ...]:
    """
    What one transition says; the latest of each alert stands in ``alert``, all of them in ``alert_event``.
    """
    return (
        Column("story_id", Text, nullable=False),
        Column("epoch", Integer, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("account_id", Text, nullable=False),
        Column("account_name", Text),
        Column("sign", Text, nullable=False),
        Column("transition", Text, nullable=False),
        Column("severity", Text, nullable=False),
        Column("score_before", Double),
        Column("score_after", Double),
        Column("points", _JSON, nullable=False),
        Column("band", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("evidence", _JSON, nullable=False),
        Column("play", Text, nullable=False),
        Column("respond_by", _TIME),
        Column("cmrr", _MONEY),
        Column("currency", Text),
        Column("renewal_date", Date),
        Column("owner", Text),
        Column("opened_at", _TIME, nullable=False),
        Column("occurred_at", _TIME),
        Column("observed_at", _TIME),
        Column("due_at", _TIME),
        Column("resolved_by", Text),
        Column("as_of", _TIME, nullable=False),
        Column("scored_at", _TIME),
        Column("produced_at", _TIME),
        _committed_at(),
    )


alert: Final = Table(
    "alert",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("sequence", Integer, nullable=False),
    *_alert_columns(),
    Index(None, "account_id"),
    Index(None, "story_id"),
    comment="The latest transition of each alert; open unless that is RESOLVED.",
)
Index("ix_alert_open", alert.c.opened_at, postgresql_where=text("transition <> 'RESOLVED'"))

alert_event: Final = Table(
    "alert_event",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    *_alert_columns(),
    Index(None, "story_id"),
    comment="Every transition of every alert.",
)
Index(None, alert_event.c.as_of, postgresql_using="brin")
Index("ix_alert_event_account_id_as_of", alert_event.c.account_id, alert_event.c.as_of.desc())

sink_offset: Final = Table(
    "sink_offset",
    metadata,
    Column("consumer_group", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False, comment="0 before the first record."),
    Column(
        "owner_epoch",
        BigInteger,
        nullable=False,
        comment="Rises with every claim; an older owner is refused.",
    ),
    Column("owner", Text, nullable=False, comment="host:process of the claim, and a number of its own."),
    Column("topic_id", Text, comment="The topic's id at the broker; null where the broker tells none."),
    Column("updated_at", _TIME, nullable=False, server_default=func.clock_timestamp()),
    comment="How far each partition is stored, moved in the transaction that stores the rows.",
)

sink_rejected: Final = Table(
    "sink_rejected",
    metadata,
    Column("consumer_group", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    # Part of the key, because offsets begin again in a topic that is recreated.
    Column(
        "topic_id", Text, primary_key=True, comment="The topic's id at the broker; empty if it tells none."
    ),
    Column("partition", Integer, primary_key=True),
    Column("record_offset", BigInteger, primary_key=True),
    Column("timestamp", BigInteger, comment="Kafka's, ms UTC: any number, it may be what is wrong."),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    Column(
        "headers",
        _JSON,
        nullable=False,
        comment="List of [name, value in hexadecimal or null], in the record's order.",
    ),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("first_seen", _TIME, nullable=False, server_default=func.clock_timestamp()),
    comment="Records that could not be stored, as received; `telltale sink retry` stores what can be by now.",
)

erased_account: Final = Table(
    "erased_account",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("erased_at", _TIME, nullable=False, server_default=func.clock_timestamp()),
    comment="Erased accounts: no row of them is stored; `telltale sink readmit` takes one off the list.",
)
