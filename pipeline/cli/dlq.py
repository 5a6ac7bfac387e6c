"""
``telltale dlq``: dead letters, the records the intake put aside, and the way back for them.

A replay sends a record to its input topic again, byte for byte and under its key. How far the letters of a code have
been sent again is kept as the offsets of a consumer group, so that none is sent twice; a record that is put aside
once more is a new letter, and after ``MOST_REPLAYS`` times it stays.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import click

from pipeline.cli.rows import moment, print_json, print_table
from pipeline.intake.received import CODES
from pipeline.kafka.client import Configuration, client_configuration, wait_for_broker
from pipeline.kafka.records import Appender, Headers, Record, commit, group_lag, read_topic
from pipeline.settings import load_settings
from pipeline.wire.contract import Contract, Topic

CURABLE: Final = ("unresolved_account", "ambiguous_account", "unknown_schema")
"""Codes whose cause is not in the record: an account's facts, or a schema that was not registered."""

MOST_REPLAYS: Final = 3

_REPLAYS: Final = "telltale-dlq-replays"
_NOT_THE_SENDERS: Final = ("__connect.errors.", "telltale-dlq-")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """
    A record put aside.

    *origin* is where it was read, ``topic[partition]@offset``; *replays* counts how often it was sent again before
    this time; *waiting* says that it has not been since.
    """

    input: Topic
    code: str
    detail: str
    origin: str
    replays: int
    waiting: bool
    record: Record


class DeadLetters:
    """The dead letters of every input, or of the one with the short name *source*."""

    def __init__(self, client: Configuration, contract: Contract, source: str | None) -> None:
        self._client = client
        self._contract = contract
        self._inputs = contract.inputs if source is None else (contract.input(source),)

    def read(self) -> Iterator[DeadLetter]:
        """Every letter there is, those of one partition in the order in which they were put aside."""
        letters = [self._contract.dead_letter(topic).name for topic in self._inputs]
        sent: dict[tuple[str, str, int], int] = {
            (code, lag.topic, lag.partition): lag.committed or 0
            for code in CODES
            for lag in group_lag(self._client, self._group(code), letters)
        }
        for topic, name in zip(self._inputs, letters, strict=True):
            for record in read_topic(self._client, name):
                headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
                code = headers.get("telltale-dlq-code", "")
                yield DeadLetter(
                    input=topic,
                    code=code,
                    detail=headers.get("telltale-dlq-detail", ""),
                    origin=_origin(headers),
                    replays=int(headers.get(_REPLAYS, "0")),
                    waiting=record.offset >= sent.get((code, name, record.partition), 0),
                    record=record,
                )

    def send_again(self, codes: tuple[str, ...]) -> Counter[str]:
        """Send the waiting letters of *codes* to their inputs; counts them by code, and as ``kept`` those that stay."""
        counts: Counter[str] = Counter()
        passed: dict[tuple[str, int], int] = {}
        with Appender(self._client) as appender:
            for letter in self.read():
                record = letter.record
                passed[record.topic, record.partition] = record.offset + 1
                if letter.code not in codes or not letter.waiting:
                    continue
                if letter.replays >= MOST_REPLAYS:
                    counts["kept"] += 1
                    continue
                counts[letter.code] += 1
                appender.append(letter.input.name, record.key, record.value, headers=_headers_again(letter))
        # After the acknowledgements: what is repeated for a crash in between bears the same event ids.
        for code in codes:
            commit(self._client, self._group(code), passed)
        return counts

    def _group(self, code: str) -> str:
        return f"{self._contract.prefix}telltale-dlq-replay-{code}"


def _origin(headers: dict[str, str]) -> str:
    topic, partition, offset = (
        headers.get(f"__connect.errors.{name}", "?") for name in ("topic", "partition", "offset")
    )
    return f"{topic}[{partition}]@{offset}"


def _headers_again(letter: DeadLetter) -> Headers:
    senders = [header for header in letter.record.headers if not header[0].startswith(_NOT_THE_SENDERS)]
    return [*senders, (_REPLAYS, str(letter.replays + 1).encode())]


_source_option = click.option("--source", help="Only of this input: login, support-ticket, ...")
_code_option = click.option(
    "--code", "codes", multiple=True, type=click.Choice(list(CODES)), help="Only with this code."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group()
def dlq() -> None:
    """Look at records that could not be used, and send them in again."""


@dlq.command("ls")
@_source_option
@_json_option
def list_letters(source: str | None, *, as_json: bool) -> None:
    """Count dead letters by input and code; ``waiting`` have not been sent in again."""
    found: dict[tuple[str, str], list[DeadLetter]] = {}
    for letter in _open(source).read():
        found.setdefault((letter.input.source or "", letter.code), []).append(letter)
    rows = [
        {
            "source": letters_source,
            "code": code,
            "letters": len(letters),
            "waiting": sum(letter.waiting for letter in letters),
            "newest": moment(max(letter.record.timestamp for letter in letters)),
        }
        for (letters_source, code), letters in sorted(found.items())
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [tuple(row.values()) for row in rows], right=(2, 3))
        click.echo("")
        for code, told in CODES.items():
            if any(code == found_code for _, found_code in found):
                click.echo(f"{code}: {told.meaning} {told.way_out}")
    else:
        click.echo("no dead letters", err=True)


@dlq.command()
@_source_option
@_code_option
@click.option("--newest", default=20, show_default=True, help="How many, the newest first.")
@click.option("--reveal", is_flag=True, help="Print key and value too; they may hold people's data.")
@_json_option
def show(source: str | None, codes: tuple[str, ...], newest: int, *, reveal: bool, as_json: bool) -> None:
    """Show single dead letters: where each came from, and what is wrong with it."""
    chosen = [letter for letter in _open(source).read() if not codes or letter.code in codes]
    chosen.sort(key=lambda letter: letter.record.timestamp, reverse=True)
    rows = [
        {
            "put_aside_at": moment(letter.record.timestamp),
            "origin": letter.origin,
            "code": letter.code,
            "detail": letter.detail,
            "waiting": letter.waiting,
            "replays": letter.replays,
        }
        | ({"key": _shown(letter.record.key), "value": _shown(letter.record.value)} if reveal else {})
        for letter in chosen[:newest]
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        state = "waiting" if row["waiting"] else "sent in again"
        click.echo(f"{row['put_aside_at']:%Y-%m-%d %H:%M:%S}  {row['origin']}  {state}")
        click.echo(f"    {row['code']}: {row['detail']}")
        if reveal:
            click.echo(f"    key {row['key']}\n    value {row['value']}")
    click.echo(f"{len(rows)} of {len(chosen)} dead letters", err=True)


@dlq.command()
@_source_option
@_code_option
@click.option("--dry-run", is_flag=True, help="Only count what would be sent.")
def replay(source: str | None, codes: tuple[str, ...], *, dry_run: bool) -> None:
    """
    Send dead letters to their inputs again, those of codes that can be cured without changing the record.

    Other codes are sent if named: that helps where the pipeline was wrong and not the record.
    """
    letters, chosen = _open(source), codes or CURABLE
    if dry_run:
        waiting = Counter(
            letter.code for letter in letters.read() if letter.waiting and letter.code in chosen
        )
        click.echo(f"{_told(waiting)} would be sent")
        return
    counts = letters.send_again(chosen)
    kept = counts.pop("kept", 0)
    click.echo(f"{_told(counts)} sent")
    if kept:
        click.echo(f"{kept} stay: they came back {MOST_REPLAYS} times. See `telltale dlq show`.", err=True)


def _open(source: str | None) -> DeadLetters:
    settings = load_settings("brokers")
    client = client_configuration(settings.brokers, settings.security)
    wait_for_broker(client, say=lambda line: click.echo(line, err=True))
    return DeadLetters(client, Contract.load(settings.topic_prefix), source)


def _told(counts: Counter[str]) -> str:
    by_code = ", ".join(f"{count} {code}" for code, count in sorted(counts.items()))
    letters = f"{counts.total()} letter{'s' if counts.total() > 1 else ''}"
    return f"{letters} ({by_code})" if by_code else "no letters"


def _shown(data: bytes | None) -> str:
    return "null" if data is None else data.decode(errors="backslashreplace")
