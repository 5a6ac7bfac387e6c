"""
Where a worker ends itself: the exit codes, the one line that explains them, and the lease of a group member.

A fence never repairs. It ends the process at once, because what follows a hole would hide it, and because a
restart repeats from the last state that is known to be whole. Deciding *whether* something is wrong is the
caller's.
"""

import os
import time
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import Any, NoReturn, Self

from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from aiokafka.protocol.produce import ProduceRequest

_LEASE_SHARE = 0.9
"""
Part of the session a member may write without an answer from the group; the rest is for a request on its way.
"""

_IN_GOOD_STANDING = (0, 27)
"""
Error codes that renew a session: none, and REBALANCE_IN_PROGRESS, the answer to a heartbeat during a
rebalance.
"""

_AGAIN = "Start it again: it repeats from the last whole state, nothing is lost."


class Exit(IntEnum):
    """Exit codes of a worker; ``advice`` is the hint that ``stop`` prints behind the reason."""

    advice: str

    def __new__(cls, code: int, advice: str) -> Self:
        """Make the member *code*, with its *advice*."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.advice = advice
        return member

    CRASH = 1, f"The traceback is above. {_AGAIN}"
    """An error nobody expected, in a worker or in Faust."""
    LEASE = 10, _AGAIN
    """The group has not answered for 0.9 of a session, so the partitions may be someone else's already."""
    GAP = 11, _AGAIN
    """A batch follows one that was delivered and never reached the agent."""
    DRAIN = 12, _AGAIN
    """
    What was in flight was not acknowledged in time before partitions were given away, or before a shutdown.
    """
    APPEND = 13, f"{_AGAIN} If it stops here again, look at the broker and at the size of the record."
    """An append failed; what is written after it would hide the hole."""
    LOG_HOLE = (
        14,
        "The log has lost entries. Restore the topic, or run `telltale rebuild --from-what-is-left`.",
    )
    """The log goes on behind the offset the state asks for."""
    ACCOUNTS_DIFFER = 15, "A restart will not help: run `telltale rebuild`."
    """The partition's record counts another number of accounts than its changelog holds."""
    STATE_BEHIND_GROUP = 16, "The changelog has lost records: run `telltale rebuild`."
    """The group has committed entries that the state has never seen."""
    FOREIGN_APPEND = (
        17,
        "Start it again: it keeps the highest position of each key and writes superseded ones again.",
    )
    """Somebody else has written to a changelog partition while it was ours."""
    TOMBSTONE = 18, "Find out who deletes from the changelog; then run `telltale rebuild`."
    """
    The changelog holds a null value; it has no position, so nothing says whether it is newer than the state.
    """
    OTHER_TOPIC_ID = 19, "The log was deleted and created again: run `telltale rebuild`."
    """The log is not the one the state was folded from."""
    POISON_FLOOD = (
        20,
        "Look at who publishes there: a restart stops here too, but TELLTALE_SET_FLOODS_ASIDE=true sets it all aside.",
    )
    """Too much of what arrives cannot be read to go on setting it aside."""
    GROUP = 21, _AGAIN
    """
    Group membership or table recovery has ended inside aiokafka or Faust; the worker would idle for ever.
    """
    SHUTDOWN = 22, _AGAIN
    """An orderly stop did not finish in time."""
    NEWER_STATE = 23, "Start the newer release again."
    """The state table holds values, or the log entries, that only a newer release can read."""
    REBUILD = (
        24,
        "A rebuild takes the partition over. Start it again; if none is running, run `telltale rebuild`.",
    )
    """A rebuild has begun a new epoch of a partition and not completed it; the old epoch is over."""
    INPUT_RECREATED = 25, "Start it again: it reads the new topic from its beginning."
    """An input topic is not the one it was: its offsets have begun again."""
    WENT_BACK = 26, "The topic was recreated or cut. Start it again: it then knows what there is."
    """A partition goes on before the offset it was read up to."""


def stop(code: Exit, why: str) -> NoReturn:
    """
    End the process with *code*, now; *why* says what happened and where, in one line.

    Nothing is flushed and nobody is told: no ``finally`` runs, no request leaves that has not left.
    """
    os.write(2, f"telltale: stopped ({code.name.lower()}, exit code {code}): {why}. {code.advice}\n".encode())
    os._exit(code)


def boot_clock() -> float:
    """
    Seconds since the machine started; it goes on while the machine is suspended, as the group's clock does.
    """
    # macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC goes on in suspension.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


Send = Callable[..., Coroutine[Any, Any, Any]]
"""``send(node, request)`` of an aiokafka client, or ``_send_req(request)`` of a group coordinator."""


class Lease:
    """
    The right to write, granted with every answer of the group and gone after 0.9 of a session without one.

    It spares repeats after a freeze; correctness does not rest on it, since positions decide which state
    counts.
    """

    def __init__(self, session_seconds: float) -> None:
        self.seconds = _LEASE_SHARE * session_seconds
        self._granted_at: float | None = None

    def grant(self, asked_at: float) -> None:
        """Renew: the group has answered a request that left at *asked_at* (``boot_clock``)."""
        self._granted_at = asked_at

    def demand(self) -> None:
        """Return if writing is allowed; end the process if not."""
        if self._granted_at is None:
            stop(Exit.LEASE, "a write before the group has given us any partition")
        age = boot_clock() - self._granted_at
        if age > self.seconds:
            stop(
                Exit.LEASE,
                f"the group answered {age:.1f} s ago for the last time, writing is allowed for {self.seconds:.1f} s",
            )

    def silent_seconds(self) -> float | None:
        """For how long the group has not answered; None before its first answer. Safe from another thread."""
        granted_at = self._granted_at
        return None if granted_at is None else boot_clock() - granted_at

    def granted_by(self, send: Send) -> Send:
        """Wrap the group coordinator's *send*: an answered Heartbeat or SyncGroup renews the lease."""

        async def renewing(request: Any) -> Any:
            # Measured before the request leaves: the group's session may start as early as that.
            asked_at = boot_clock()
            response = await send(request)
            renews = isinstance(request, HeartbeatRequest | SyncGroupRequest)
            if renews and response.error_code in _IN_GOOD_STANDING:
                self.grant(asked_at)
            return response

        return renewing

    def demanded_by(self, send: Send) -> Send:
        """Wrap a producer client's *send*: no Produce request leaves without the lease."""

        async def leased(node: Any, request: Any, **options: Any) -> Any:
            if isinstance(request, ProduceRequest):
                self.demand()
            return await send(node, request, **options)

        return leased
