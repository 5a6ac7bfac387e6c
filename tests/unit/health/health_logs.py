"""Random account logs, and ways to run a fold over one: at once, in small steps, and through crashes."""

from dataclasses import dataclass, field
from random import Random

from pipeline.health.events import AccountClosed, Action, Band, Event, InvoiceStep, LogEntry, Scorecards, Tick
from pipeline.health.fold import PartitionFold
from pipeline.health.partition import Step
from pipeline.health.tickets import STEPS
from pipeline.health.versions import Output
from pipeline.health.windows import DAY, HOUR, MINUTE
from pipeline.scorecards import read_documents
from pipeline.wire.position import PARTITION_RECORD, SCORECARDS_RECORD
from pipeline.wire.state import decode_fold, encode_account, encode_record, encode_scorecards, position_of
from tests.unit.health.health_builders import (
    CARDS,
    START,
    facts,
    invoice,
    login,
    nps,
    scorecards_with,
    ticket,
)

ACCOUNTS = ("alder", "birch", "willow")
WHOLE = 1 << 60
OTHER_CARDS = scorecards_with(weights__sentiment=60, went_dark__minimum_days=1)

Log = list[tuple[str, LogEntry]]
Outputs = list[tuple[str, Output]]


def random_event(rng: Random, at: int) -> Event:  # noqa: PLR0911 - one per kind
    """Anything that can happen, most often a login."""
    late = at - rng.choice([0, 0, 0, HOUR, 2 * DAY, 30 * DAY])
    number = rng.randrange(4)
    match rng.choice("llllllttiisfoc"):
        case "l":
            return login(late, rng.randrange(6), rng.choice(("USER", "CHAMPION")))
        case "t":
            return ticket(late, rng.choice(STEPS[1:]), f"T-{number}", rng.choice(("P1", "P3", "UNKNOWN")))
        case "i":
            step: InvoiceStep = rng.choice(("ISSUED", "OVERDUE", "DISPUTED", "PAID"))
            due = late // DAY + rng.randrange(-70, 10)
            return invoice(late, step, f"I-{number}", due_day=due, recurring=rng.choice((None, "100", "60")))
        case "s":
            return nps(late, rng.choice((None, 0, 7, 10)), rng.choice(("USER", "EXECUTIVE")))
        case "o":
            band: Band | None = rng.choice((None, "HEALTHY", "CRITICAL"))
            return Action(f"o-{at}", at, "OVERRIDE", "mara", "why", band=band, until=at + rng.randrange(DAY))
        case "c" if rng.random() < 0.1:
            return AccountClosed(f"c-{at}", at)
        case _:
            day = at // DAY
            notice = rng.choice((None, None, None, day))
            leaves = None if notice is None else day + rng.randrange(1, 9)
            return facts(
                at,
                seats=rng.choice((None, 5, 40)),
                renewal_day=day + 93,
                notice_day=notice,
                leaves_day=leaves,
            )


def random_log(seed: int, entries: int = 100) -> Log:
    """
    About four weeks of three accounts, with scorecards at the start and others later, a tick twice a day.
    """
    rng = Random(seed)
    log = [("", LogEntry(START, "", 0, 0, Scorecards(list(CARDS.documents))))]
    at = START
    next_tick = START + 12 * HOUR
    for number in range(entries):
        at += rng.randrange(12 * HOUR) if rng.random() < 0.9 else rng.randrange(MINUTE)
        while at > next_tick:
            log.append(("", LogEntry(next_tick, "", 0, 0, Tick())))
            next_tick += 12 * HOUR
        if number == entries // 2:
            log.append(("", LogEntry(at, "", 0, 0, Scorecards(list(OTHER_CARDS.documents)))))
        log.append((rng.choice(ACCOUNTS), LogEntry(at, "test", 0, number, random_event(rng, at))))
    log.append(("", LogEntry(at + 20 * DAY, "", 0, 0, Tick())))
    return log


@dataclass
class Worker:
    """
    A fold that writes its steps into a table, as the health agent does, and can be started again from it.
    """

    table: dict[bytes, bytes] = field(default_factory=dict)
    outputs: Outputs = field(default_factory=list)
    fold: PartitionFold = field(default_factory=lambda: PartitionFold(0, read_documents))
    steps: int = 0

    def run(self, log: Log, limit: int, crash_every: int | None = None) -> "Worker":
        """Fold the rest of *log*; after every so many steps start again from the table."""
        while self.fold.next_offset < len(log):
            offset = self.fold.next_offset
            account, entry = log[offset]
            self.fold.take(account, entry, offset, limit)
            self.write(self.fold.take_step())
            if crash_every and self.steps % crash_every == 0:
                self.start_again()
        return self

    def write(self, step: Step) -> None:
        self.steps += 1
        self.outputs += step.outputs
        position = position_of(self.fold)
        for account, state in step.changed.items():
            self.table[account.encode()] = encode_account(position, state)
        if step.scorecards_changed and self.fold.scorecards is not None:
            self.table[SCORECARDS_RECORD] = encode_scorecards(position, self.fold.scorecards)
        self.table[PARTITION_RECORD] = encode_record(self.fold.record())

    def start_again(self) -> None:
        states = dict(self.table)
        record = states.pop(PARTITION_RECORD)
        self.fold = decode_fold(0, record, states, states.pop(SCORECARDS_RECORD, None), read_documents)

    def states(self) -> dict[bytes, bytes]:
        """Every account as it stands at the end, under one position."""
        return {key.encode(): encode_account(b"", state) for key, state in sorted(self.fold.states.items())}
