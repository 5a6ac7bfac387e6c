"""
One history on both ways, through the log and the health worker or folded from the file, ends in the same
health.
"""

import signal
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from pipeline.health.replay import fold_all, with_scorecards
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.scorecards import load_scorecards, read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.history import open_history
from pipeline.wire.outputs import OutputEncoder
from pipeline.wire.registry import EmbeddedRegistry
from tests.integration.command_line import PSEUDONYM_KEY, Telltale
from tests.integration.running_pipeline import Outsider, RunningPipeline

HISTORY = Path(__file__).parents[1] / "golden" / "scenarios" / "edges.ndjson"
CONTRACT = Contract.load()


def test_a_history_through_the_log_gives_what_its_replay_gives(
    broker: str, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """Every snapshot, change and alert of every account, byte for byte."""
    telltale, outsider = Telltale(brokers=broker), Outsider(broker)
    expected = replayed()
    assert telltale("topics", "apply").code == 0
    assert telltale("ingest", "--history", str(HISTORY)).code == 0
    pipeline = RunningPipeline(broker, "", tmp_path / "log")
    worker = pipeline.start("worker", "health")
    try:
        counts = {topic: len(values) for topic, values in expected.items()}
        eventually(lambda: {topic: len(outsider.messages(topic)) for topic in expected} == counts, 60)
    finally:
        worker.send_signal(signal.SIGTERM)
        code = worker.wait(40)
        print(pipeline.log.read_text()[-20_000:])  # noqa: T201 - pytest shows it when the test fails

    assert code == 0
    for topic, values in expected.items():
        written = [(message.key().decode(), message.value()) for message in outsider.messages(topic)]
        assert by_account(written) == by_account(values)


def replayed() -> dict[str, list[tuple[str, bytes]]]:
    """What the file folds to, as the topics would have it."""
    encode = OutputEncoder(CONTRACT, EmbeddedRegistry(CONTRACT)).encode
    history = open_history([HISTORY], contract=CONTRACT, pseudonyms=Pseudonyms(PSEUDONYM_KEY.encode()))
    found: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for account_id, output in fold_all(
        with_scorecards(history.entries(), load_scorecards().documents), read_documents
    ):
        topic, value = encode(output)
        found[topic].append((account_id, value))
    return found


def by_account(values: list[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """Values in their order, which is one of each account and not of all."""
    accounts: dict[str, list[bytes]] = defaultdict(list)
    for account_id, value in values:
        accounts[account_id].append(value)
    return accounts
