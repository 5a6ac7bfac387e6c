"""``telltale replay``: scores files of events, without broker, database or side effects."""

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pipeline.cli.printing import json_option, print_json

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUTPUT = click.Path(dir_okay=False, writable=True, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--scores", type=_OUTPUT, help="CSV to write, a row per version, by time.")
@click.option("--alerts", type=_OUTPUT, help="CSV to write, a row per alert, by time.")
@click.option(
    "--until", help="Let time run on to this moment (ISO 8601, or ms); by default to the last observed_at."
)
@click.option("--scorecards", "folder", type=_FOLDER, help="Folder of scorecards over the shipped ones.")
@click.option(
    "--processes", type=click.IntRange(1, 256), help="How many to share the accounts; by default one a core."
)
@json_option(
    "One JSON object: how many events, versions and alerts, and how many events of which code were left out."
)
def replay(
    files: tuple[Path, ...],
    *,
    scores: Path | None,
    alerts: Path | None,
    until: str | None,
    folder: Path | None,
    processes: int | None,
    as_json: bool,
) -> None:
    """
    Fold FILES (NDJSON, an event a line) without broker or database; the same files give the same bytes.

    The broker's account log is folded again by `telltale verify`.
    """
    from pipeline.ops.file_replay import AlertRow, ScoreRow, score_files
    from pipeline.scorecards import load_scorecards

    for output in (scores, alerts):
        _refuse_as_output(output, files)
    scored = score_files(
        files,
        scorecards=load_scorecards(folder).documents,
        until=_moment(until),
        processes=processes,
    )
    if scores is not None:
        _write_csv(scores, ScoreRow._fields, scored.scores)
    if alerts is not None:
        _write_csv(alerts, AlertRow._fields, scored.alerts)
    if as_json:
        counts = {"events": scored.events, "versions": len(scored.scores), "alerts": len(scored.alerts)}
        print_json([{**counts, "left_out": scored.left_out}])
        return
    summary = f"{scored.events:,} events, {len(scored.scores):,} versions, {len(scored.alerts):,} alerts"
    left_out = "".join(f", {count:,} left out ({code})" for code, count in sorted(scored.left_out.items()))
    click.echo(summary + left_out, err=True)


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


def _refuse_as_output(output: Path | None, files: Iterable[Path]) -> None:
    """Before a million events are folded."""
    if output is None:
        return
    if not output.parent.is_dir():
        raise click.BadParameter(f"there is no folder {output.parent}")
    if any(output.exists() and output.samefile(file) for file in files):
        raise click.BadParameter(f"{output} is one of the files to read; it would be lost")


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
