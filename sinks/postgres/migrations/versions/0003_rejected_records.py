"""Records that could not be stored, kept as received."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "sink_rejected",
        sa.Column("consumer_group", sa.Text),
        sa.Column("topic", sa.Text),
        sa.Column("topic_id", sa.Text, comment="The topic's id at the broker; empty if it tells none."),
        sa.Column("partition", sa.Integer),
        sa.Column("record_offset", sa.BigInteger),
        sa.Column(
            "timestamp", sa.BigInteger, comment="Kafka's, ms UTC: any number, it may be what is wrong."
        ),
        sa.Column("key", sa.LargeBinary),
        sa.Column("value", sa.LargeBinary),
        sa.Column(
            "headers",
            JSONB,
            nullable=False,
            comment="List of [name, value in hexadecimal or null], in the record's order.",
        ),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column(
            "first_seen",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        sa.PrimaryKeyConstraint(
            "consumer_group", "topic", "topic_id", "partition", "record_offset", name="pk_sink_rejected"
        ),
        comment="Records that could not be stored, as received; `telltale sink retry` stores what can be by now.",
    )


def downgrade() -> None:
    """Drop the table; the topics keep the records for as long as they keep any."""
    op.drop_table("sink_rejected")
