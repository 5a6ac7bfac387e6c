"""
``make faults-mutations``: switches each guard of the product off, one at a time, and sees the test that rests
on it fail.

    python tests/faults/mutations.py [NAME ...]

A test that passes with its guard off proves nothing. The guard goes off in a copy of the tree, by an exact
replacement of text: where the text is no longer found, the run stops, so a guard cannot be rewritten without
its mutant. Exit code 1 if a test passed all the same, or failed for another reason.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TREE: Final = Path(__file__).parents[2]
COPIED: Final = ("agents", "pipeline", "sinks", "schemas", "deploy", "tests", "pyproject.toml")
SECONDS: Final = 600
SHOWN: Final = 120
"""Characters of a failure that the table repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """
    A guard, how it goes off, and the test that must fail then.

    *edits* are (file, text that is there once, text instead); *test* is a pytest node id. *because* is a
    regular expression for what the failure must say, so that a test that breaks for another reason proves
    nothing.
    """

    guard: str
    edits: tuple[tuple[str, str, str], ...]
    test: str
    because: str


HEALTH, FOLD, DEAD_LETTERS = "agents/health.py", "pipeline/health/fold.py", "agents/dead_letter_records.py"
STORE, STATE = "agents/lane/store.py", "pipeline/wire/state.py"
FAULTS, INTEGRATION = "tests/faults", "tests/integration"
ON_KAFKA = f"{FAULTS}/kafka/test_state_kafka.py"

OUTPUTS_FIRST: Final = """\
            await asyncio.gather(
                *(append(self.app, topic, partition, records) for topic, records in outputs.items())
            )
"""
STATES: Final = (
    "            written = await append(self.app, changelog.topic, partition, batch, one_batch=True)\n"
)

MUTANTS: Final = (
    Mutant(
        guard="positions: an entry that was folded is not folded again",
        edits=(
            (HEALTH, "wanted[tp] = fold.next_offset", "wanted[tp] = group_offset or 0"),
            (
                HEALTH,
                "            if offset != fold.next_offset:",
                "            if offset > fold.next_offset:",
            ),
        ),
        test=f"{FAULTS}/test_health_faults.py::test_c2_health_killed_between_its_writes[states]",
        because="I[234]: ",
    ),
    Mutant(
        guard="outputs are acknowledged before states are written",
        edits=((HEALTH, OUTPUTS_FIRST, ""), (HEALTH, STATES, STATES + OUTPUTS_FIRST)),
        test=f"{FAULTS}/test_health_faults.py::test_c2_health_killed_between_its_writes[states]",
        because="I3: .* has the versions",
    ),
    Mutant(
        guard="source positions: what the intake repeats is left out",
        edits=((FOLD, "if entry.offset <= source_offsets.get(source, -1):", "if entry.offset < -1:"),),
        test=f"{FAULTS}/test_intake_faults.py::test_c2_intake_killed_behind_its_appends",
        because="I2: ",
    ),
    Mutant(
        guard="id ring: what a source repeats is left out",
        edits=(
            (
                "pipeline/health/seen_ids.py",
                "            if at % HASH_SIZE == 0:\n                return True",
                "            if at % HASH_SIZE == 0:\n                return False",
            ),
        ),
        test=f"{FAULTS}/test_health_faults.py::test_l1_a_storm_of_duplicates_counts_once",
        because="I2: ",
    ),
    Mutant(
        guard="no wall clock in the core",
        edits=(
            (FOLD, "from hashlib import blake2b", "import time\nfrom hashlib import blake2b"),
            (
                FOLD,
                "        state.as_of = max(state.as_of, entry.observed_at)\n        today",
                "        state.as_of = max(state.as_of, int(time.time() * 1000))\n        today",
            ),
        ),
        test=f"{FAULTS}/test_clock_faults.py::test_l3_health_with_a_wrong_clock_writes_what_any_other_writes[a month ahead]",
        because="replay: ",
    ),
    Mutant(
        guard="the clock refuses a time the broker does not share",
        edits=(
            (
                "agents/clock.py",
                "        return agreed is not None and abs(",
                "        return agreed is None or agreed is not None or abs(",
            ),
        ),
        test=f"{FAULTS}/test_clock_faults.py::test_l3_the_clock_refuses_to_tick_a_wrong_time",
        because="newest_tick",
    ),
    Mutant(
        guard="a flood of poison stops the intake",
        edits=(
            (DEAD_LETTERS, "        if says:\n            stop(", "        if says == 1:\n            stop("),
        ),
        test=f"{FAULTS}/test_poison_faults.py::test_d5_a_flood_of_poison_stops_the_intake",
        because="TimeoutExpired",
    ),
    Mutant(
        guard="a registry that is away is no verdict about a record",
        edits=(
            (
                "pipeline/wire/registry.py",
                "            if error.http_status_code == _NOT_FOUND:",
                "            if error.http_status_code != 200:",
            ),
        ),
        test=f"{FAULTS}/test_poison_faults.py::test_d2_d3_schemas_of_others_and_a_registry_that_fails",
        because="dead_letters",
    ),
    Mutant(
        guard="epoch fence: a sink that has lost its partitions stores nothing",
        edits=(
            (
                "sinks/postgres/positions.py",
                "            refuse_zombie(partition, row, owner=self._owner, epoch=claim.epoch)\n",
                "",
            ),
        ),
        test=f"{INTEGRATION}/test_postgres_sink_ownership.py::test_a_zombie_stores_nothing",
        because="DID NOT RAISE",
    ),
    Mutant(
        guard="version guard: an older row changes nothing",
        edits=(("sinks/postgres/statements.py", "where=is_newer(self.table, new, self.rank),", ""),),
        test=f"{INTEGRATION}/test_postgres_sink_rows.py::test_versions_never_go_back",
        because="assert",
    ),
    Mutant(
        guard="positions that have gone back are noticed: a restored backup is read again",
        edits=(
            (
                "sinks/postgres/positions.py",
                "            refuse_restored(partition, row, owner=self._owner, claim=claim)\n",
                "",
            ),
        ),
        test=f"{FAULTS}/test_postgres_faults.py::test_p5_a_backup_is_restored",
        because="ended by itself|SQL: ",
    ),
    Mutant(
        guard="of two states of an account the one further on in the log is right, whichever was written last",
        edits=((STORE, "value[:POSITION_SIZE] >= known[:POSITION_SIZE]:", "value:"),),
        test=f"{ON_KAFKA}::test_c3_what_a_zombie_writes_late_does_not_win",
        because="I6: telltale-health stands",
    ),
    Mutant(
        guard="a state that another one was written behind stops its owner",
        edits=((STORE, "        if base_offset != last + 1:", "        if base_offset < 0:"),),
        test=f"{ON_KAFKA}::test_c3_what_a_zombie_writes_late_does_not_win",
        because="health ended otherwise|I4: ",
    ),
    Mutant(
        guard="a partition without some of its states is refused",
        edits=(
            (STATE, "    if len(states) != known.accounts:", "    if known.accounts < 0:"),
            (
                STATE,
                "    if scorecards is None and known.cards_offset >= 0:",
                "    if known.cards_offset < -1:",
            ),
        ),
        test=f"{ON_KAFKA}::test_r4_a_changelog_that_was_lost[half]",
        because="should end with code",
    ),
    Mutant(
        guard="a state behind what its group has committed is refused",
        edits=(
            (
                HEALTH,
                "            if fold.next_offset < (group_offset or 0):",
                "            if fold.next_offset < 0:",
            ),
        ),
        test=f"{ON_KAFKA}::test_r4_a_changelog_that_was_lost[all]",
        because="should end with code",
    ),
    Mutant(
        guard="the state of a log that was deleted and recreated is refused",
        edits=((HEALTH, "        if fold.topic_id != topic_id:", "        if fold.topic_id is None:"),),
        test=f"{ON_KAFKA}::test_r5_the_log_deleted_and_recreated",
        because="should end with code",
    ),
    Mutant(
        guard="records of an input that was recreated are no repeats of the old one's",
        edits=(
            (
                "pipeline/wire/inputs.py",
                "{TOPIC_ID_SEPARATOR}{topic_id[:_TOPIC_ID_DIGITS]}",
                "{topic_id[:0]}",
            ),
        ),
        test=f"{FAULTS}/kafka/test_inputs_kafka.py::test_r5_an_input_deleted_and_recreated[stopped]",
        because="I2: ",
    ),
    Mutant(
        guard="the state of a newer release is refused",
        edits=((STATE, "    if version > STATE_VERSION:", "    if version < 0:"),),
        test=f"{ON_KAFKA}::test_u1_an_older_release_refuses_the_state_of_a_newer_one",
        because="should end with code",
    ),
)


class TextGone(Exception):  # noqa: N818 - reads as what happened
    """The text of a guard is not in its file exactly once."""


def switched_off(mutant: Mutant, tree: Path) -> dict[Path, str]:
    """The files of *tree* without the guard, by path. Raises ``TextGone``."""
    files: dict[Path, str] = {}
    for name, text, instead in mutant.edits:
        path = tree / name
        content = files.get(path) or path.read_text("utf-8")
        if content.count(text) != 1:
            raise TextGone(
                f"{name} holds {content.count(text)} times, not once:\n{text}\nThe mutant is: {mutant.guard}"
            )
        files[path] = content.replace(text, instead)
        compile(files[path], name, "exec")
    return files


def run_test(tree: Path, mutant: Mutant) -> tuple[bool, str]:
    """
    Whether the guard of *mutant*, off in *tree*, is in doubt: its test did not fail for the right reason; and
    what was said.
    """
    options = ("-q", "-x", "-p", "no:cacheprovider", "-m", "", "--no-header")
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", *options, mutant.test],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return True, f"PROVES NOTHING: no end within {SECONDS} s"
    last = (ended.stdout.strip().splitlines() or [ended.stderr])[-1].strip("= ")
    if ended.returncode == 0 and "passed" not in last:
        return False, f"not tried: {last}"
    reasons = [line[1:].strip() for line in ended.stdout.splitlines() if line.startswith("E  ")]
    fitting = next((reason for reason in reasons if re.search(mutant.because, reason)), None)
    if ended.returncode == 1 and fitting is not None:
        return False, f"fails as it should: {fitting}"
    return True, f"PROVES NOTHING: {last} {reasons[:1]}"


def main(names: Iterable[str]) -> int:
    """Run the mutants whose guard contains one of *names*, or all."""
    chosen = [mutant for mutant in MUTANTS if not names or any(name in mutant.guard for name in names)]
    for mutant in MUTANTS:
        switched_off(mutant, TREE)
    rows, doubts = [], 0
    with tempfile.TemporaryDirectory(prefix="telltale-mutants-") as directory:
        for mutant in chosen:
            copy = Path(directory) / "tree"
            for name in COPIED:
                _copy(TREE / name, copy / name)
            if (jars := TREE / ".run").exists():
                (copy / ".run").symlink_to(jars)  # Kafka need not be fetched again
            for path, content in switched_off(mutant, copy).items():
                path.write_text(content, "utf-8")
            started = time.monotonic()
            is_in_doubt, said = run_test(copy, mutant)
            doubts += is_in_doubt
            seconds = f"{time.monotonic() - started:.0f}"
            rows.append((mutant.guard, mutant.test.partition("::")[2], said[:SHOWN], seconds))
            print("off:", *rows[-1], sep=" | ", file=sys.stderr, flush=True)  # noqa: T201 - a script says how far it is
            shutil.rmtree(copy)
    print("| guard switched off | test | outcome | seconds |\n| --- | --- | --- | --- |")  # noqa: T201 - its result
    for row in rows:
        print(f"| {' | '.join(row)} |")  # noqa: T201 - its result
    return 1 if doubts else 0


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
