"""
What ``telltale demo`` does: start the parts, load history, go live, tell the stories.

Nothing is faked: history is loaded as `telltale ingest --history` loads it, live events go through the input
topics, and what a story needs to have happened hours ago has happened hours ago.
"""

import fcntl
import itertools
import os
import secrets
import shlex
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from pipeline.cli.demo_screen import DemoScreen
from pipeline.cli.demo_stage import LiveStage, Told
from pipeline.cli.run import pipeline_commands
from pipeline.embedded.broker import PARTITIONS_PER_TOPIC, EmbeddedBroker
from pipeline.embedded.postgres import EmbeddedPostgres
from pipeline.embedded.processes import ProcessTree
from pipeline.errors import TelltaleError
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.kafka.client import Configuration, client_configuration
from pipeline.kafka.records import group_lag
from pipeline.ops.account_log import AccountLog
from pipeline.ops.backpressure import pace_for
from pipeline.ops.history_load import load_history
from pipeline.ops.preparation import prepare_pipeline
from pipeline.ops.topic_plan import HEALTH_GROUP
from pipeline.scorecards import load_scorecards
from pipeline.settings import PREFIX, Settings, load_settings
from pipeline.simulate.demo import HISTORY_DAYS, DemoPlan, demo_portfolio
from pipeline.simulate.portfolio import ndjson
from pipeline.wire.contract import Contract
from pipeline.wire.history import open_history
from pipeline.wire.registry import open_registry
from sinks.postgres.group import GROUP as SINK_GROUP
from sinks.postgres.reading import HealthReader

_TICK_SECONDS = 1.0
_LOADING_TAKES_PLANS = 7
"""
Loading and scoring history takes so many times as long as planning it while the workers start; measured: 6.6
to 7.2 times.
"""

_SCORED_WITHIN_SECONDS = 120.0
_STORED_WITHIN_SECONDS = 10.0
_LOGS = "What the processes said is in the *.log files below .run."


class DemoStuck(TelltaleError):  # noqa: N818 - reads as what happened
    """A process of the demo does not get on."""


def play(parts: ExitStack, screen: DemoScreen, *, once: bool, seed: int) -> bool:
    """Start the parts, load history, go live; returns whether every story was told and stored."""
    screen.open()
    name = parts.enter_context(_own_name(Path(".run")))
    settings = _start_parts(parts, screen, name)
    contract = Contract.load()
    client = client_configuration(settings.brokers, settings.security)
    before_history = datetime.now(UTC) - timedelta(days=HISTORY_DAYS)
    prepare_pipeline(settings, say=screen.say, scored_from=_ms(before_history))
    logs = settings.run_directory / name
    sink, health, intake = pipeline_commands(settings, logs=logs)
    _forget_logs(logs, lambda _: True)
    parts.callback(_forget_logs, logs, lambda log: not log.stat().st_size)
    tree = parts.enter_context(ProcessTree())
    tree.start(sink)
    tree.start(health)
    plan = _plan(seed)  # while they start
    stage = parts.enter_context(LiveStage(plan, client=client, contract=contract, screen=screen))
    began = time.monotonic()
    events = _load(settings, contract, client, plan, tree)
    # Not before: from its first tick on, the log's clock would be past the history.
    tree.start(intake)
    _wait_until_scored(client, contract, tree)
    days = (plan.now - plan.portfolio.start).days
    screen.loaded(len(plan.portfolio.lives), days, events, time.monotonic() - began)
    with HealthReader(settings.database_url.get_secret_value()) as reader:
        screen.portfolio(reader.portfolio())
        tree.wait(max(0.0, plan.now.timestamp() - time.time()))
        stage.play(tree, stop_early=once)
        missing = stage.untold()
        unstored = _unstored(reader, stage.told)
    screen.summary(stage.told, missing, unstored)
    if not once:
        screen.way_on(stage.told, env_file=settings.run_directory / f"{name}.env")
        tree.wait()  # until Ctrl-C; later alerts are told as they come
    return not missing and not unstored


def _plan(seed: int) -> DemoPlan:
    """
    Plan the demo by the moment it will go live: stories due before would be over, and much later ones a long
    wait.

    That moment depends on the machine, so a first plan is made only to see how long it takes.
    """
    began = time.monotonic()
    demo_portfolio(datetime.now(UTC), seed=seed)
    took = timedelta(seconds=time.monotonic() - began)
    return demo_portfolio(datetime.now(UTC) + (1 + _LOADING_TAKES_PLANS) * took, seed=seed)


@contextmanager
def _own_name(folder: Path) -> Iterator[str]:
    """
    A name for the demo's files in *folder* that no other demo has there at the same time: ``demo``, else
    ``demo-2``.

    The lock goes with the process, however that ends; its file goes where the block ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        name = "demo" if number == 1 else f"demo-{number}"
        path = folder / f"{name}.lock"
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not _is_at(file, path):  # The demo that had the name took its file away before it let go.
                continue
            try:
                yield name
            finally:
                path.unlink(missing_ok=True)
            return


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether the open *file* is the one that others find at *path*."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _start_parts(parts: ExitStack, screen: DemoScreen, name: str) -> Settings:
    """Start broker and database, and write the settings other terminals need to reach them."""
    with screen.starting("broker", "Kafka protocol, embedded") as show:
        broker = parts.enter_context(EmbeddedBroker())
        show(broker.bootstrap)
    screen.say(
        f"  {'':<10}for librdkafka and kafkajs; `make kafka` starts a broker for all clients (docs/clients)"
    )
    with screen.starting("postgres", "embedded") as show:
        postgres = parts.enter_context(EmbeddedPostgres())
        show(f"127.0.0.1:{postgres.port}")
    return _take_settings(
        {
            "TELLTALE_BROKERS": broker.bootstrap,
            "TELLTALE_DATABASE_URL": postgres.url,
            "TELLTALE_PSEUDONYM_KEY": secrets.token_hex(32),
            "TELLTALE_PARTITIONS": str(PARTITIONS_PER_TOPIC),
            "TELLTALE_TICK_SECONDS": str(_TICK_SECONDS),
            "TELLTALE_LOG_LEVEL": "warning",
        },
        parts,
        name,
    )


def _take_settings(own: Mapping[str, str], parts: ExitStack, name: str) -> Settings:
    """
    Let our *own* settings replace the user's, here and in the workers, and leave them for other terminals.
    """
    for variable in [variable for variable in os.environ if variable.startswith(PREFIX)]:
        del os.environ[variable]
    os.environ.update(own)
    settings = load_settings("brokers", "database_url", "pseudonym_key")
    file = settings.run_directory / f"{name}.env"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in own.items()))
    parts.callback(file.unlink, missing_ok=True)
    return settings


def _load(
    settings: Settings, contract: Contract, client: Configuration, plan: DemoPlan, tree: ProcessTree
) -> int:
    """Load the plan's history as a file while *tree* reads it; returns how many events that was."""
    with tempfile.TemporaryDirectory(prefix="telltale-demo-") as folder:
        path = Path(folder) / "history.ndjson"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(ndjson(plan.history()))
        key = settings.pseudonym_key.get_secret_value().encode()
        history = open_history([path], contract=contract, pseudonyms=Pseudonyms(key))
        # What it has to say it says while it waits, for a reader that may have died.
        pace = pace_for(client, contract, [contract.log.name], lambda _: tree.wait(0))
        with AccountLog(
            client, contract, open_registry(contract), partitions=settings.partitions, pace=pace
        ) as log:
            return load_history(history, log, load_scorecards(settings.scorecards))


def _wait_until_scored(client: Configuration, contract: Contract, tree: ProcessTree) -> None:
    """Return when health has folded all of the log, and the sink has stored what came of it."""
    outputs = [topic.name for topic in contract.outputs]
    give_up_at = time.monotonic() + _SCORED_WITHIN_SECONDS
    for group, topics in ((HEALTH_GROUP, [contract.log.name]), (SINK_GROUP, outputs)):
        while any(lag.records for lag in group_lag(client, group, topics)):
            if time.monotonic() > give_up_at:
                raise DemoStuck(
                    f"{group} has not read its topics in {_SCORED_WITHIN_SECONDS:.0f} s", hint=_LOGS
                )
            tree.wait(0.2)


def _unstored(reader: HealthReader, told: Collection[Told]) -> set[str]:
    """Which of the alerts that were told have not reached Postgres some seconds later."""
    give_up_at = time.monotonic() + _STORED_WITHIN_SECONDS
    while True:
        stories = {one.alert["story_id"] for one in told}
        stored = {alert.alert_id for story_id in stories for alert in reader.story(story_id)}
        left = {one.alert["alert_id"] for one in told} - stored
        if not left or time.monotonic() > give_up_at:
            return left
        time.sleep(0.1)


def _forget_logs(folder: Path, which: Callable[[Path], bool]) -> None:
    """Remove what processes said in an earlier demo, or the files of those that said nothing."""
    for log in folder.glob("*.log"):
        if which(log):
            log.unlink()


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
