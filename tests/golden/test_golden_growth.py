"""
A sign, a component and an event type are added in a copy of this checkout: what that touches, and that older
logs open there.

The files are in ``growth``, the places below are those that docs/scoring.md names. Each is the least of its
kind.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.health.windows import HOUR
from pipeline.scorecards.reading import Document, InvalidScorecards, read_scorecards
from pipeline.wire.avro import Undecodable
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import EmbeddedRegistry
from tests.golden.golden_logs import CONTRACT, RELEASES

CHECKOUT = Path(__file__).parents[2]
GROWTH = Path(__file__).with_name("growth")


def add_sign(copy: Path) -> None:
    """Its file, a line, and its numbers."""
    shutil.copy(GROWTH / "champion_gone.py", copy / "pipeline/health/signs")
    edit(
        copy / "pipeline/health/signs/__init__.py",
        (
            "from pipeline.health.signs.band",
            "from pipeline.health.signs.champion_gone import CHAMPION_GONE\nfrom pipeline.health.signs.band",
        ),
        ("SIGNS: Final = (", "SIGNS: Final = (CHAMPION_GONE, "),
    )
    numbers = '''@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionGone:
    """A sponsor who is missing."""

    severity: Severity = "WARNING"
    play: str = "Reach the sponsor."
    sponsors: Annotated[int, Between(0, 10)] = 1
    notes: Annotated[int, Between(0, 10)] = 1


'''
    edit(
        copy / "pipeline/health/scorecard.py",
        (
            "@dataclass(frozen=True, slots=True, kw_only=True)\nclass Alerts",
            numbers + "@dataclass(frozen=True, slots=True, kw_only=True)\nclass Alerts",
        ),
        (
            "    alerts: Alerts = Alerts()\n",
            "    alerts: Alerts = Alerts()\n    champion_gone: ChampionGone | None = None\n",
        ),
    )


def add_component(copy: Path) -> None:
    """Its file, a line, and its numbers; in the midst of the others, and not behind them."""
    shutil.copy(GROWTH / "voice.py", copy / "pipeline/health/components")
    edit(
        copy / "pipeline/health/components/__init__.py",
        (
            "from pipeline.health.components.usage import USAGE\n",
            "from pipeline.health.components.usage import USAGE\nfrom pipeline.health.components.voice import VOICE\n",
        ),
        ("COMPONENTS: Final = (USAGE, ", "COMPONENTS: Final = (USAGE, VOICE, "),
    )
    numbers = '''@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Feedback."""

    heard: Annotated[float, Between(0, 100)] = 100


'''
    edit(
        copy / "pipeline/health/scorecard.py",
        (
            "@dataclass(frozen=True, slots=True, kw_only=True)\nclass Billing",
            numbers + "@dataclass(frozen=True, slots=True, kw_only=True)\nclass Billing",
        ),
        ("    alerts: Alerts = Alerts()\n", "    alerts: Alerts = Alerts()\n    voice: Voice = Voice()\n"),
    )


def add_event_type(copy: Path) -> None:
    """
    Six places: the schemas, its module and its row in the intake, its class, what an account makes of it, its
    record in the log.
    """
    schemas = copy / "schemas"
    login = json.loads((schemas / "login/v1.avsc").read_text())
    wanted = {"event_id", "occurred_at", "source", "account_id", "external_id", "email"}
    feedback = login | {"name": "Feedback", "fields": [f for f in login["fields"] if f["name"] in wanted]}
    (schemas / "feedback").mkdir()
    (schemas / "feedback/v1.avsc").write_text(json.dumps(feedback))
    log, version = CONTRACT.newest(CONTRACT.log), len(CONTRACT.versions["log_entry"]) + 1
    log = json.loads(json.dumps(log))  # a copy
    record = {
        "type": "record",
        "name": "ResolvedFeedback",
        "doc": "Feedback.",
        "fields": log["fields"][-1]["type"][1]["fields"][:2],  # as a login's: event_id and occurred_at
    }
    log["fields"][-1]["type"].append(record)
    (schemas / f"log_entry/v{version}.avsc").write_text(json.dumps(log))
    with (schemas / "registry.yaml").open("a") as registry:
        next_id = len(CONTRACT.registered) + 1
        registry.write(f"- {{id: {next_id}, subject: customer.feedback.v1-value, file: feedback/v1.avsc}}\n")
        file = f"log_entry/v{version}.avsc"
        registry.write(f"- {{id: {next_id + 1}, subject: {CONTRACT.log.subject}, file: {file}}}\n")
    topic = """topics:
  customer.feedback.v1:
    {key: anything, schema: feedback, cleanup: delete, retention: 7, partitions: input, source: feedback,
     compatibility: backward_transitive, producers: [product], consumers: [intake]}
"""
    edit(schemas / "topics.yaml", ("topics:\n", topic))
    shutil.copy(GROWTH / "feedback.py", copy / "pipeline/intake")
    row = """EVENT_TYPES: Final = (
    EventType(
        name="feedback",
        source="feedback",
        topic="customer.feedback.v1",
        schema="feedback",
        check=feedback.check,
        resolve=feedback.resolve,
    ),
"""
    edit(
        copy / "pipeline/intake/event_types.py",
        ("EVENT_TYPES: Final = (\n", row),
        ("import account, action, ", "import account, action, feedback, "),
    )
    event = '''@dataclass(slots=True)
class Feedback:
    """Somebody wrote to us."""

    input: ClassVar = "feedback"
    change: ClassVar[ChangeKind] = "EVENT"

    event_id: str
    occurred_at: int

    @property
    def subject(self) -> bytes:
        """The account itself."""
        return b""


Event: TypeAlias = Feedback | '''
    edit(copy / "pipeline/health/events.py", ("Event: TypeAlias = ", event))
    edit(
        copy / "pipeline/health/account.py",
        (
            "            case Login():\n",
            "            case Feedback():\n                self.notes += 1\n                return SURVEYS\n            case Login():\n",
        ),
        ("    Event,\n", "    Event,\n    Feedback,\n"),
        ('        "login_weeks",\n', '        "login_weeks",\n        "notes",\n'),
        ("        self.actions = 0\n", "        self.actions = self.notes = 0\n"),
    )
    edit(
        copy / "pipeline/wire/account_state.py",
        (
            '    _part("derived", _DERIVED),\n',
            '    _part("derived", _DERIVED),\n    Field("notes", default=0),\n',
        ),
    )
    edit(
        copy / "pipeline/wire/log.py",
        ("    Scorecards: ", '    Feedback: "telltale.log.v1.ResolvedFeedback",\n    Scorecards: '),
        ("    AccountFacts,\n    Action,\n", "    AccountFacts,\n    Action,\n    Feedback,\n"),
    )


def edit(file: Path, *replacements: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in replacements:
        assert text.count(old) == 1, f"{file.name} has {text.count(old)} times {old!r}"
        text = text.replace(old, new)
    file.write_text(text)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs Python in the copy, where its packages come before those of this checkout."""
    copy = tmp_path_factory.mktemp("grown")
    for folder in ("pipeline", "schemas", "tests/golden"):
        shutil.copytree(CHECKOUT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "tests/__init__.py", "tests/conftest.py"):
        shutil.copy(CHECKOUT / file, copy / file)
    add_event_type(copy)
    add_component(copy)
    add_sign(copy)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_older_logs_open_in_a_release_that_knows_more(
    grown: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    """
    The tests of the golden logs and scenarios pass there as they are: same outputs, and states that go on.
    """
    names = ("test_golden_logs.py", "test_golden_replays.py")
    result = grown(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        *(f"tests/golden/{name}" for name in names),
    )

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("release", RELEASES)
def test_scorecards_turn_on_what_is_new(
    release: str, grown: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    """
    Behind a log that never heard of it; and this release refuses what the newer one has written.

    The second note moves no component, and the sign that looks at notes opens its alert at once.
    """
    result = grown("-m", "tests.golden.growth.use_all_three", release)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)

    assert found["components"]["voice"] == 90
    assert found["opened"] == {"champion_gone": HOUR}
    with pytest.raises(Undecodable, match="no schema has the id"):
        LogCodec(CONTRACT, EmbeddedRegistry(CONTRACT)).decode(base64.b64decode(found["event"]))
    with pytest.raises(InvalidScorecards, match="champion_gone is unknown"):
        read_scorecards([Document("mid.toml", found["scorecard"])])
