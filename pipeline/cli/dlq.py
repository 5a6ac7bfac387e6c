"""
``telltale dlq``: the records that the intake dead-lettered, what to do about them, and doing it.

Nothing personal is printed unless asked for: what headers say of a dead letter has none of the record's text,
see ``pipeline.intake.received``, and the record itself comes with ``--reveal`` only. ``replay`` and ``drop``
say what they would do, and do it with ``--yes``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace as with_changes
from typing import TYPE_CHECKING

import click

from pipeline.cli.dlq_options import choosing
from pipeline.cli.printing import print_json, print_table
from pipeline.cli.ranges import FiniteRange
from pipeline.intake.received import CODES
from pipeline.wire.dead_letters import MOST_REPLAYS

if TYPE_CHECKING:
    from pipeline.kafka.client import Configuration
    from pipeline.ops.dead_letter_reader import Choice, DeadLetter
    from pipeline.wire.contract import Contract

_all_option = click.option("--all", "everything", is_flag=True, help="Those sent again or dropped, too.")
_yes_option = click.option("--yes", is_flag=True, help="Do it; without this it is only told.")

_Tally = Counter[tuple[str, str]]
"""Dead letters by input and code."""


@click.group()
def dlq() -> None:
    """Look at records that could not be used, and send them in again."""


@dlq.command()
@choosing
def stats(choice: "Choice", *, as_json: bool) -> None:
    """
    Count dead letters by input and code, and say what helps.

    Those that are pending can be sent again; those that are exhausted came back too often and wait for
    somebody.
    """
    from pipeline.cli.dlq_rows import Counted
    from pipeline.ops.dead_letter_reader import read_dead_letters

    found: dict[tuple[str, str], Counted] = {}
    for dead_letter in read_dead_letters(*_broker(), choice):
        found.setdefault((dead_letter.input.source or "", dead_letter.says.code), Counted()).add(dead_letter)
    rows = [
        {"source": source, "code": code, **counted.row()} for (source, code), counted in sorted(found.items())
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [tuple(row.values()) for row in rows], right=range(2, 7))
        click.echo("")
        for code, means in CODES.items():
            if any(code == found_code for _, found_code in found):
                click.echo(f"{code}: {means.meaning} {means.hint}")
    else:
        click.echo("no dead letters", err=True)


@dlq.command("ls")
@choosing
@_all_option
@click.option("--newest", default=50, show_default=True, type=click.IntRange(1), help="How many at most.")
def list_dead_letters(choice: "Choice", *, everything: bool, newest: int, as_json: bool) -> None:
    """List dead letters that nobody has sent again or dropped, the newest first."""
    from pipeline.cli.dlq_rows import dead_letter_row, newest_of
    from pipeline.ops.dead_letter_reader import read_dead_letters

    dead_letters, count = newest_of(read_dead_letters(*_broker(), choice), newest, everything=everything)
    rows = [dead_letter_row(dead_letter) for dead_letter in dead_letters]
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("dead_letter", "dead_lettered_at", "state", "code", "detail")
        print_table(columns, [[row[column] for column in columns] for row in rows])
    click.echo(f"{len(rows)} of {count} dead letters", err=True)


@dlq.command()
@choosing
@_all_option
@click.option("--newest", default=20, show_default=True, type=click.IntRange(1), help="How many at most.")
@click.option("--reveal", is_flag=True, help="Print the record too; it may hold people's data.")
def show(choice: "Choice", *, everything: bool, newest: int, reveal: bool, as_json: bool) -> None:
    """Show single dead letters: where each came from, what is wrong with it, and who did what about it."""
    from pipeline.cli.dlq_rows import dead_letter_row, newest_of, revealing, told
    from pipeline.ops.dead_letter_reader import read_dead_letters
    from pipeline.settings import load_settings
    from pipeline.wire.registry import open_registry

    client, contract = _broker()
    # A dead letter that is named is shown whatever became of it.
    dead_letters, count = newest_of(
        read_dead_letters(client, contract, choice), newest, everything=everything or bool(choice.names)
    )
    rows = [dead_letter_row(dead_letter) for dead_letter in dead_letters]
    if reveal:
        registry = open_registry(contract, load_settings().registry_url.get_secret_value())
        revealed = revealing(contract, registry)
        rows = [row | revealed(dead_letter) for row, dead_letter in zip(rows, dead_letters, strict=True)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo("\n".join(told(row)))
    click.echo(f"{len(rows)} of {count} dead letters", err=True)


@dlq.command()
@choosing
@_yes_option
@click.option("--rate", type=FiniteRange(min=0, min_open=True), help="Records a second at most.")
@click.option("--why", default="replayed by hand", show_default=True, help="Kept with each dead letter.")
def replay(choice: "Choice", *, yes: bool, rate: float | None, why: str, as_json: bool) -> None:
    """
    Send dead letters to their inputs again, those of codes that can be cured without changing the record.

    Other codes and single dead letters are sent if named: that helps where the pipeline was wrong and not the
    record. A record keeps key, bytes and event id, and counts once. What came back three times stays.
    """
    from pipeline.ops.dead_letter_reader import read_dead_letters
    from pipeline.ops.dead_letter_replay import CURABLE, send_again

    client, contract = _broker()
    if not choice.codes and not choice.names:
        choice = with_changes(choice, codes=CURABLE)
    stay: Counter[str] = Counter()
    dead_letters: Iterable[DeadLetter] = _to_send(read_dead_letters(client, contract, choice), stay, choice)
    if yes:
        dead_letters = send_again(client, dead_letters, rate=rate, why=why)
    _tell(_tally(dead_letters), "sent", "be sent to their inputs again", yes=yes, as_json=as_json)
    for reason, count in sorted(stay.items()):
        click.echo(f"{count} stay: {reason}", err=True)


@dlq.command()
@choosing
@_yes_option
@click.option("--why", help="Kept with each dead letter; needed to do it.")
def drop(choice: "Choice", *, yes: bool, why: str | None, as_json: bool) -> None:
    """
    Give dead letters up for good: they are no longer listed and never sent again.

    Their bytes stay in the topic until its retention takes them, with who dropped them and why.
    """
    from pipeline.ops.dead_letter_reader import OPEN, read_dead_letters
    from pipeline.ops.dead_letter_replay import drop_dead_letters

    if choice.is_everything():
        raise click.UsageError("Say which: --source, --code, --since, --until or --dead-letter.")
    if yes and not why:
        raise click.UsageError("--yes needs --why: it is kept with each dead letter.")
    client, contract = _broker()
    dead_letters: Iterable[DeadLetter] = (
        dead_letter
        for dead_letter in read_dead_letters(client, contract, choice)
        if dead_letter.state in OPEN
    )
    if yes and why:
        dead_letters = drop_dead_letters(client, dead_letters, why=why)
    _tell(_tally(dead_letters), "dropped", "be dropped", yes=yes, as_json=as_json)


def _broker() -> "tuple[Configuration, Contract]":
    from pipeline.kafka.client import client_configuration, wait_for_broker
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract

    settings = load_settings("brokers")
    client = client_configuration(settings.brokers, settings.security)
    wait_for_broker(client, say=lambda line: click.echo(line, err=True))
    return client, Contract.load(settings.topic_prefix)


def _to_send(
    dead_letters: "Iterator[DeadLetter]", stay: Counter[str], choice: "Choice"
) -> "Iterator[DeadLetter]":
    """
    Those of *dead_letters* that may be sent again; *stay* counts the others that wait or were named, by
    reason.
    """
    for dead_letter in dead_letters:
        match dead_letter.state:
            case "pending" if dead_letter.is_whole:
                yield dead_letter
            case "pending":
                stay["too large for a dead letter, the bytes are in the input: see `telltale dlq show`"] += 1
            case "exhausted":
                stay[f"they came back {MOST_REPLAYS} times. See `telltale dlq show`."] += 1
            case done if choice.names:
                stay[f"{done} already"] += 1


def _tally(dead_letters: "Iterable[DeadLetter]") -> _Tally:
    return Counter((dead_letter.input.source or "", dead_letter.says.code) for dead_letter in dead_letters)


def _tell(tally: _Tally, done: str, would: str, *, yes: bool, as_json: bool) -> None:
    """Say what was *done*, or what *would* be."""
    if as_json:
        print_json(
            {"source": source, "code": code, "dead_letters": count, "done": yes}
            for (source, code), count in sorted(tally.items())
        )
        return
    by_code: Counter[str] = Counter()
    for (_, code), count in tally.items():
        by_code[code] += count
    codes = ", ".join(f"{count} {code}" for code, count in sorted(by_code.items()))
    dead_letters = (
        f"{tally.total()} dead letter{'s' if tally.total() > 1 else ''} ({codes})"
        if codes
        else "no dead letters"
    )
    click.echo(f"{dead_letters} {done}" if yes else f"{dead_letters} would {would}")
    if codes and not yes:
        click.echo("nothing was done: add --yes to do it", err=True)
