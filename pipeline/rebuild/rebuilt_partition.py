"""
One partition of the account log folded from its start: what the fold put out on disk, states there too while
it waits.

Nothing here reads or writes Kafka, so a rebuild that ends before its switch has changed nothing; when what is
written is ``rebuild``'s.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from struct import Struct
from types import TracebackType
from typing import IO, Final, NamedTuple, Self

from pipeline.errors import TelltaleError
from pipeline.health.fold import PartitionFold
from pipeline.health.outputs import AlertEvent, HealthChange, HealthSnapshot
from pipeline.health.versions import Output
from pipeline.kafka.records import Record
from pipeline.scorecards import read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.outputs import OutputEncoder
from pipeline.wire.position import PARTITION_RECORD, SCORECARDS_RECORD
from pipeline.wire.registry import Registry
from pipeline.wire.state import decode_fold, encode_account, encode_record, encode_scorecards, position_of

_WHOLE_STEP: Final = 1 << 62
"""Nothing is written between two entries, so a tick is never cut."""

_STEP_ENTRIES: Final = 1_000
"""Entries between two looks at what was put out, which is held in memory until then."""

_FRAME = Struct(">BHI")
"""Of what is on disk: its kind, and how many bytes key and value have."""


class LogIncomplete(TelltaleError):  # noqa: N818 - reads as what happened
    """The log does not begin at offset 0, or has a hole."""


class Kind(IntEnum):
    """What a kept record is, and so which topic it goes to."""

    CHANGE = 0
    ALERT = 1
    SNAPSHOT = 2
    STATE = 3


class Kept(NamedTuple):
    """A record to be written once the new epoch has begun."""

    kind: Kind
    key: bytes
    value: bytes


_ON_DISK: Final = "/var/tmp"  # noqa: S108 - files there have no name


def scratch_folder(environment: Mapping[str, str] = os.environ) -> str | None:
    """
    Where files of gigabytes go: TMPDIR where it is set, else /var/tmp, for /tmp is memory on many systems.

    None, which leaves the choice to ``tempfile``, where /var/tmp cannot be written to.
    """
    return environment.get("TMPDIR") or (_ON_DISK if os.access(_ON_DISK, os.W_OK | os.X_OK) else None)


_KINDS: Final[dict[type[Output], Kind]] = {
    HealthChange: Kind.CHANGE,
    AlertEvent: Kind.ALERT,
    HealthSnapshot: Kind.SNAPSHOT,
}


class RebuiltPartition:
    """
    *fold*, which begins its log, and what it puts out; in a with-block, at whose end the disk is given back.

    Of the snapshots only the newest of each account is kept, which is all that compaction would leave;
    changes and alerts are kept whole. With *skip_lost* a log that has lost entries is folded as it is.
    """

    def __init__(
        self, fold: PartitionFold, *, contract: Contract, registry: Registry, skip_lost: bool = False
    ) -> None:
        self.number = fold.partition
        self.entries = self.versions = self.alerts = 0
        self._fold = fold
        self._decode = LogCodec(contract, registry).decode
        self._encode = OutputEncoder(contract, registry).encode
        self._skip_lost = skip_lost
        self._snapshots: dict[bytes, bytes] = {}
        folder = scratch_folder()
        self._history = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        self._parked = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    @property
    def next_offset(self) -> int:
        """Offset of the log entry to be folded next."""
        return self._fold.next_offset

    @property
    def accounts(self) -> int:
        """How many accounts there are by now; 0 while they are parked."""
        return len(self._fold.states)

    def fold(self, records: Iterable[Record]) -> None:
        """Go on with these *records* of the log. Raises ``LogIncomplete``, and what decoding raises."""
        fold = self._fold
        for record in records:
            if record.offset != fold.next_offset and not self._skip_lost:
                raise LogIncomplete(
                    f"{record.topic}[{self.number}]: entries {fold.next_offset} to {record.offset - 1} are gone",
                    hint="Restore the topic. With --from-what-is-left the state is made without them.",
                )
            entry = self._decode(record.value or b"")
            fold.take((record.key or b"").decode(), entry, record.offset)
            self.entries += 1
            if self.entries % _STEP_ENTRIES == 0:
                self._keep_outputs()
        self._keep_outputs()

    def park(self) -> None:
        """
        Move the states to disk, so that no two partitions need memory at the same time; ``resume`` brings
        them back.
        """
        for kept in (*self._newest_snapshots(), *self._states()):
            _put(self._parked, kept)
        self._snapshots.clear()
        self._fold.states = {}

    def resume(self) -> None:
        """Go on where ``park`` was called."""
        states: dict[bytes, bytes] = {}
        for kind, key, value in _read(self._parked):
            (self._snapshots if kind is Kind.SNAPSHOT else states)[key] = value
        record, scorecards = states.pop(PARTITION_RECORD), states.pop(SCORECARDS_RECORD, None)
        self._fold = decode_fold(self.number, record, states, scorecards, read_documents)

    def records(self) -> Iterator[Kept]:
        """
        All there is to write: changes and alerts as they came, the newest snapshots, the states, their record
        last.
        """
        yield from _read(self._history)
        yield from self._newest_snapshots()
        yield from self._states()

    def _newest_snapshots(self) -> Iterator[Kept]:
        for key, value in self._snapshots.items():
            yield Kept(Kind.SNAPSHOT, key, value)

    def _states(self) -> Iterator[Kept]:
        fold = self._fold
        position = position_of(fold)
        for account_id, state in fold.states.items():
            yield Kept(Kind.STATE, account_id.encode(), encode_account(position, state))
        if fold.scorecards is not None:
            yield Kept(Kind.STATE, SCORECARDS_RECORD, encode_scorecards(position, fold.scorecards))
        yield Kept(Kind.STATE, PARTITION_RECORD, encode_record(fold.record()))

    def _keep_outputs(self) -> None:
        for account_id, output in self._fold.take_step().outputs:
            kind = _KINDS[type(output)]
            kept = Kept(kind, account_id.encode(), self._encode(output)[1])
            if kind is Kind.SNAPSHOT:
                self._snapshots.pop(
                    kept.key, None
                )  # Put in again at the end: the order stays that of the log.
                self._snapshots[kept.key] = kept.value
                self.versions += 1
            else:
                self.alerts += kind is Kind.ALERT
                _put(self._history, kept)

    def close(self) -> None:
        """Give memory and disk back; safe to call again."""
        self._fold.states = {}
        self._snapshots.clear()
        self._history.close()
        self._parked.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _put(file: IO[bytes], kept: Kept) -> None:
    file.write(_FRAME.pack(kept.kind, len(kept.key), len(kept.value)) + kept.key + kept.value)


def _read(file: IO[bytes]) -> Iterator[Kept]:
    """Everything in *file*, from its start; writing goes on at its end."""
    file.seek(0)
    while frame := file.read(_FRAME.size):
        kind, key_size, value_size = _FRAME.unpack(frame)
        yield Kept(Kind(kind), file.read(key_size), file.read(value_size))
