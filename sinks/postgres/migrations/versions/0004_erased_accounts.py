"""Accounts that were erased, so that no record brings them back."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; it is empty, since nothing tells which accounts an older sink erased."""
    op.create_table(
        "erased_account",
        sa.Column("account_id", sa.Text),
        sa.Column(
            "erased_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            server_default=sa.func.clock_timestamp(),
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_erased_account"),
        comment="Erased accounts: no row of them is stored; `telltale sink readmit` takes one off the list.",
    )


def downgrade() -> None:
    """Drop the table; an older sink stores what arrives of these accounts."""
    op.drop_table("erased_account")
