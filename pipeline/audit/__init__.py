"""
What ``telltale verify`` does: the account log folded again, and held against all that was made of it.

- ``audit``             one run: a partition after the other, so that no more than one is held in memory
- ``partition_reader``  reads the topics of one partition
- ``written_records``   state and topics of one partition, as they stand
- ``partition_check``   one partition of the log folded, and compared on the way with its state
- ``topic_check``       its outputs held against the topics
- ``row_check``         the rows in Postgres held against what the outputs should have become
- ``differences``       what is not as it should be, named to the field and the event

All that is written of a partition is read before its log, so all of it must follow from the log. What follows
from the log and is not written is missing only up to where the state says the worker has come; beyond that it
is lag.
"""
