"""The ends of a worker: exit codes, the line that explains them, and the lease."""

import asyncio
import subprocess
import sys
from types import SimpleNamespace

import pytest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest

from agents.lane.fences import Exit, Lease, Send, boot_clock
from tests.unit.agents.lane_in_memory import ends_with

HEARTBEAT = HeartbeatRequest("group", 1, "member")
SYNC = SyncGroupRequest("group", 1, "member", None, [])
JOIN = JoinGroupRequest("group", 10_000, 10_000, "member", None, "consumer", [])
PRODUCE = ProduceRequest(None, -1, 1000, [])


def answering(error_code: int) -> Send:
    """A send whose answer has *error_code*."""

    async def send(*_request: object) -> SimpleNamespace:
        return SimpleNamespace(error_code=error_code)

    return send


def test_a_stop_ends_the_process_at_once_and_says_why_in_one_line() -> None:
    """The exit code is the fence's; no `finally` runs; the line has the reason and the hint."""
    script = """if True:
        from agents.lane.fences import Exit, stop
        try:
            stop(Exit.TOMBSTONE, "state[3] offset 17")
        finally:
            print("not reached")
    """

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert ended.returncode == Exit.TOMBSTONE
    assert ended.stdout == ""
    assert ended.stderr == (
        f"telltale: stopped (tombstone, exit code 18): state[3] offset 17. {Exit.TOMBSTONE.advice}\n"
    )


def test_exit_codes_do_not_collide_with_those_of_a_shell_or_of_python() -> None:
    """2 is a usage error, 126 and above are the shell's; each fence has a code and an advice of its own."""
    codes = [code.value for code in Exit if code is not Exit.CRASH]

    assert all(10 <= code < 126 for code in codes)
    assert len(set(codes)) == len(codes)
    assert all(code.advice.endswith(".") for code in Exit)


@pytest.mark.parametrize(
    ("request_", "error_code", "renews"),
    [
        (HEARTBEAT, 0, True),
        (HEARTBEAT, 27, True),  # the group is rebalancing; the session was renewed
        (HEARTBEAT, 25, False),  # unknown member
        (SYNC, 0, True),
        (SYNC, 27, True),
        (JOIN, 0, False),  # its answer comes when all have joined, however long that took
    ],
)
def test_an_answered_heartbeat_or_sync_renews_the_lease(
    request_: object, *, error_code: int, renews: bool
) -> None:
    """Nothing else says that the partitions are still ours."""
    lease = Lease(session_seconds=10)
    lease.grant(boot_clock() - 9.5)

    asyncio.run(lease.granted_by(answering(error_code))(request_))

    if renews:
        lease.demand()
    else:
        with ends_with(Exit.LEASE):
            lease.demand()


def test_the_lease_counts_from_when_the_request_left() -> None:
    """The answer may have been on its way, or the process frozen, for longer than a session."""
    lease = Lease(session_seconds=0.1)

    async def slow(_request: object) -> SimpleNamespace:
        await asyncio.sleep(0.1)
        return SimpleNamespace(error_code=0)

    asyncio.run(lease.granted_by(slow)(HEARTBEAT))

    with ends_with(Exit.LEASE):
        lease.demand()


def test_no_produce_request_leaves_after_the_lease() -> None:
    """A worker that was frozen for a session may wake up with a batch in its hands."""
    lease = Lease(session_seconds=10)
    sent = []

    async def send(node: int, request: object) -> None:
        sent.append(request)

    leased = lease.demanded_by(send)
    lease.grant(boot_clock() - 8.9)
    asyncio.run(leased(1, PRODUCE))
    assert sent == [PRODUCE]

    lease.grant(boot_clock() - 9.1)
    with ends_with(Exit.LEASE):
        asyncio.run(leased(1, PRODUCE))
    assert sent == [PRODUCE]


def test_requests_that_write_nothing_need_no_lease() -> None:
    """The producer asks for metadata and its id before the group has answered for the first time."""
    sent = []

    async def send(node: int, request: object) -> None:
        sent.append(node)

    asyncio.run(Lease(session_seconds=10).demanded_by(send)(1, MetadataRequest([])))

    assert sent == [1]


def test_nothing_is_written_before_the_group_has_given_a_partition() -> None:
    """Whoever owns nothing has nothing to write."""
    with ends_with(Exit.LEASE):
        Lease(session_seconds=10).demand()
