"""
The lane: whole partition polls through Faust, and the fences that keep state the fold of a prefix of its log.

Faust hands over one message per record and forgets some of them at a rebalance. The lane hands over one
message per partition poll, writes in whole record batches, and ends the process where going on could lose or
repeat something:

- ``consumer``  polls, the hold between seek and resume, drain and commit at a revoke
- ``commits``   what may be committed
- ``thread``    the consumer's thread: everything that touches aiokafka's consumer inside
- ``delivery``  the batches on their way: delivered, acknowledged, committable
- ``aligned in time``   partitions that are read back in time, kept at about the same time
- ``transport`` the Faust driver made of these, with an idempotent producer that obeys the lease
- ``store``     state per partition as the changelog has it, the highest position of each key
- ``writer``    record batches in order, and the queue that groups what waits
- ``fences``    exit codes, the end of the process, the lease

It overrides Faust 0.15.3 and aiokafka 0.14 inside; ``tests/integration/test_lane_contract.py`` lists each
place. Nothing in here knows accounts, events or topics.
"""
