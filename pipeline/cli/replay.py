"""``telltale replay``: scores files of events, or the account log of the broker, again and without side effects."""

import csv
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from pipeline.cli.log_comparison import compare_with_topics
from pipeline.health.outputs import AlertEvent, HealthSnapshot
from pipeline.health.replay import fold_all, with_scorecards
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.kafka.client import client_configuration
from pipeline.scorecards import load_scorecards
from pipeline.settings import load_settings
from pipeline.wire.contract import Contract
from pipeline.wire.history import open_history
from pipeline.wire.registry import open_registry

SCORE_COLUMNS: Final = ("account_id", "as_of", "version", "score", "band", "coverage")
ALERT_COLUMNS: Final = ("alert_id", "account_id", "sign", "severity", "opened_at", "resolved_at")

# People are only told apart here and no pseudonym leaves the process, so a fixed key serves: the same bytes anywhere.
_REPLAY_KEY: Final = b"telltale replay: stays in the process"

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUTPUT = click.Path(dir_okay=False, writable=True, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("files", nargs=-1, type=_FILE)
@click.option("--scores", type=_OUTPUT, help="CSV to write, a row per version.")
@click.option("--alerts", type=_OUTPUT, help="CSV to write, a row per alert.")
@click.option(
    "--until", help="Let time run on to this moment (ISO 8601, or ms); by default to the last observed_at."
)
@click.option("--scorecards", "folder", type=_FOLDER, help="Folder of scorecards over the shipped ones.")
@click.option(
    "--log", "from_log", is_flag=True, help="Fold the broker's account log and compare with its topics."
)
def replay(
    files: tuple[Path, ...],
    *,
    scores: Path | None,
    alerts: Path | None,
    until: str | None,
    folder: Path | None,
    from_log: bool,
) -> None:
    """
    Fold FILES (NDJSON, an event a line) without broker or database; the same files give the same bytes.

    With --log the account log is folded instead and compared, byte for byte, with the three health topics; exit
    code 1 if anything differs.
    """
    if from_log == bool(files):
        raise click.UsageError("Give files, or --log.")
    if from_log:
        sys.exit(_replay_log())
    history = open_history(files, contract=Contract.load(), pseudonyms=Pseudonyms(_REPLAY_KEY))
    entries = with_scorecards(history.entries(_moment(until)), load_scorecards(folder))
    versions: list[tuple[Any, ...]] = []
    alert_rows = AlertRows()
    for account_id, output in fold_all(entries):
        if isinstance(output, HealthSnapshot):
            versions.append(_score_row(account_id, output))
        elif isinstance(output, AlertEvent):
            alert_rows.note(output)
    for path, columns, rows in (
        (scores, SCORE_COLUMNS, versions),
        (alerts, ALERT_COLUMNS, alert_rows.rows()),
    ):
        if path is not None:
            _write_csv(path, columns, rows)
    summary = f"{history.events:,} events, {len(versions):,} versions, {len(alert_rows):,} alerts"
    left_out = "".join(f", {count:,} left out ({code})" for code, count in history.left_out.items())
    click.echo(summary + left_out, err=True)


def _replay_log() -> int:
    settings = load_settings("brokers")
    contract = Contract.load(settings.topic_prefix)
    registry = open_registry(contract, settings.registry_url.get_secret_value())
    client = client_configuration(settings.brokers, settings.security)
    differing = 0
    for found in compare_with_topics(client, contract, registry):
        click.echo(
            f"{found.topic}: {found.compared:,} records equal, {found.repeats:,} repeats,"
            f" {found.pending:,} not written yet, {found.differences:,} differ"
        )
        if found.first_difference:
            click.echo(f"  first: {found.first_difference}")
        differing += found.differences
    return 1 if differing else 0


class AlertRows:
    """One row per alert: first opened, last resolved, the severity it has or had last."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Any, ...]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def note(self, event: AlertEvent) -> None:
        """Bring the alert's row up to this transition."""
        resolved_at = iso(event.as_of) if event.transition == "RESOLVED" else ""
        self._rows[event.alert_id] = (
            event.alert_id,
            event.account_id,
            event.sign,
            event.severity,
            iso(event.opened_at),
            resolved_at,
        )

    def rows(self) -> Iterable[tuple[Any, ...]]:
        """The rows, in the order in which the alerts were first opened."""
        return self._rows.values()


def iso(at: int) -> str:
    """*at* (ms UTC) as ISO 8601."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _score_row(account_id: str, snapshot: HealthSnapshot) -> tuple[Any, ...]:
    score = "" if snapshot.score is None else snapshot.score
    return account_id, iso(snapshot.as_of), snapshot.version, score, snapshot.band, snapshot.coverage


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no ISO 8601 time and no ms", param_hint="--until") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
