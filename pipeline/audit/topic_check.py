"""
The three topics of one partition held against the outputs that follow from the log, one output after the
other.
"""

from typing import Final, NamedTuple

from pipeline.audit.differences import Findings, Made, differing_fields
from pipeline.audit.written_records import WrittenOutputs, WrittenRecord
from pipeline.health.outputs import AlertEvent, HealthChange, HealthSnapshot
from pipeline.health.versions import FOLD_VERSION, Output
from pipeline.wire.contract import Contract, Topic
from pipeline.wire.outputs import OutputDecoder, OutputEncoder
from pipeline.wire.registry import Registry

_NAMES: Final[dict[str | None, str]] = {
    "health_snapshot": "snapshots",
    "health_change": "changes",
    "alert_event": "alert events",
}
"""What the records of a schema are called in metrics."""


class Expected(NamedTuple):
    """
    An output as its *topic* should have it: *value* in *partition*, and the *record* of it if there is one.

    One that *is_due* must be written by now; without a record it is gone from the topic, if it is not
    missing. A record that *is_earlier* was made by an earlier arithmetic, see ``FOLD_VERSION``.
    """

    topic: str
    partition: int
    value: bytes
    record: WrittenRecord | None
    is_due: bool
    is_earlier: bool


class TopicCheck:
    """
    Compares *written*, which stands in *partition*, and notes in *findings* what it finds.

    Changes and alerts must be there without gaps, but for what retention has taken from the beginning; of
    snapshots the latest counts.
    """

    def __init__(
        self,
        partition: int,
        written: WrittenOutputs,
        findings: Findings,
        *,
        contract: Contract,
        registry: Registry,
    ) -> None:
        self._partition = partition
        self._written = written
        self._findings = findings
        self._contract = contract
        self._encoder = OutputEncoder(contract, registry)
        self._decoder = OutputDecoder(contract, registry)
        self._latest = dict(written.snapshots)
        self._latest_due: dict[str, tuple[int, Made]] = {}
        """Version of the newest snapshot of an account that must be written."""
        self._earlier: tuple[str, int] | None = None
        """Account and version, if an earlier arithmetic made the version that was compared last."""
        self._begun: set[tuple[str, str]] = set()
        """Topic and account, or alert, of which a record was met: from there on there may be no gap."""
        for topic, record, reason in written.foreign:
            self._add(topic, record, ("value", reason, "a record"), None)

    def compare(self, output: Output, made: Made, *, is_due: bool) -> Expected:
        """
        Compare *output*, which *made* made and which *is_due* to be written by now; what should stand there.
        """
        contract, written = self._contract, self._written
        found: WrittenRecord | None
        _, value = self._encoder.encode(output)
        match output:
            case HealthSnapshot():
                topic, name, version = contract.current, output.account_id, output.version
                latest = written.snapshots.get(name)
                found = latest if latest is not None and latest.version == version else None
                if found is not None:
                    del written.snapshots[name]
                if is_due:
                    self._latest_due[name] = (version, made)
            case HealthChange():
                topic, name, version = contract.change, output.account_id, output.version
                found = written.changes.pop((name, version), None)
            case AlertEvent():
                topic, name, version = contract.alert, output.alert_id, output.sequence
                found = written.alerts.pop((name, version), None)
        is_earlier = False
        if found is not None:
            self._begun.add((topic.name, name))
            is_earlier = self._is_earlier(topic, found, (output.account_id, output.version))
            if is_earlier:
                self._findings.earlier[_NAMES[topic.schema]] += 1
            else:
                self._compare_value(topic, found, value, made)
        elif topic is not contract.current:
            must = is_due and (topic.name not in written.trimmed or (topic.name, name) in self._begun)
            self._note_missing(topic, output.account_id, version, made, is_due=is_due, must=must)
        return Expected(topic.name, self._partition, value, found, is_due, is_earlier)

    def finish(self) -> None:
        """Note the latest snapshots that are too old, and what is there and follows from nothing."""
        contract, written = self._contract, self._written
        for account_id, (version, made) in self._latest_due.items():
            found = self._latest.get(account_id)
            if account_id not in written.erased and (found is None or found.version < version):
                where = contract.current.name if found is None else self._place(contract.current, found)
                behind = ("version", "none" if found is None else found.version, version)
                self._findings.add(account_id, where, [behind], made, version=version)
        for topic, left in (
            (contract.current, written.snapshots),
            (contract.change, written.changes),
            (contract.alert, written.alerts),
        ):
            for record in left.values():
                self._add(
                    topic, record, ("record", "a record", "none: it does not follow from the log"), None
                )

    def _is_earlier(self, topic: Topic, found: WrittenRecord, of: tuple[str, int]) -> bool:
        """
        Whether an earlier arithmetic made the record *found* of an account's version *of*; alerts go by their
        version.
        """
        if topic is not self._contract.alert:
            written = self._decoder.decode(topic.name, found.value)["fold_version"]
            self._earlier = of if written < FOLD_VERSION else None
        return self._earlier == of

    def _compare_value(self, topic: Topic, found: WrittenRecord, value: bytes, made: Made) -> None:
        # An older release wrote with another schema: it is held to what it knew.
        if found.value != value:
            there, here = (self._decoder.decode(topic.name, bytes_) for bytes_ in (found.value, value))
            unknown = self._decoder.lacking(topic.name, found.value)
            differing = list(differing_fields(there, here, without=unknown))
            self._findings.add(
                found.account_id, self._place(topic, found), differing, made, version=found.version
            )
            if differing:
                return
        self._findings.compared[_NAMES[topic.schema]] += 1

    def _note_missing(
        self, topic: Topic, account_id: str, version: int, made: Made, *, is_due: bool, must: bool
    ) -> None:
        if must:
            where = f"{topic.name}[{self._partition}]"
            self._findings.add(account_id, where, [("record", "none", "a record")], made, version=version)
        elif not is_due:
            self._findings.lag[_NAMES[topic.schema]] += 1

    def _add(
        self, topic: Topic, record: WrittenRecord, differing: tuple[str, object, object], made: Made | None
    ) -> None:
        self._findings.add(
            record.account_id, self._place(topic, record), [differing], made, version=record.version
        )

    def _place(self, topic: Topic, record: WrittenRecord) -> str:
        return f"{topic.name}[{self._partition}]@{record.offset}"
