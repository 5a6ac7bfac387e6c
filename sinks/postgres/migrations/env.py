"""
What Alembic runs for every command: it uses the connection, and so the transaction and lock, of our caller.
"""

from alembic import context

from sinks.postgres.partitions import is_partition
from sinks.postgres.tables import metadata


def _is_ours(_object: object, name: str | None, type_: str, *_: object) -> bool:
    """Partitions are made as data comes, not by migrations."""
    return not (type_ == "table" and name is not None and is_partition(name))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=_is_ours,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
