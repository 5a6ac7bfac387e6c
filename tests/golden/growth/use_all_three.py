"""
Run in the scratch copy: the old log, then scorecards that turn the new sign and component on, then a new
event.
"""

import base64
import json
import sys

from pipeline.health.events import Feedback, LogEntry, Scorecards, Tick
from pipeline.health.fold import PartitionFold
from pipeline.health.outputs import AlertEvent, HealthSnapshot
from pipeline.health.windows import DAY, HOUR
from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Accepted, Received
from pipeline.scorecards import load_scorecards, read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.ndjson import EventLines
from pipeline.wire.registry import EmbeddedRegistry
from pipeline.wire.state import decode_account, encode_account
from tests.golden.golden_logs import fold_on, log_of

contract = Contract.load()
codec = LogCodec(contract, EmbeddedRegistry(contract))
documents = [
    text.replace("[weights]", "[weights]\nvoice = 30")
    + "\n[champion_gone]\nsponsors = 0\nnotes = 2\n[voice]\nheard = 90\n"
    for text in load_scorecards().documents
]
[(partition, entries)] = [
    (p, e) for p, e in log_of(sys.argv[1]).items() if any(name == "acme" for name, _ in e)
]
fold = PartitionFold(partition, read_documents)
fold_on(fold, entries)

at = fold.watermark + DAY
intake = Intake(directory=AccountDirectory(), pseudonyms=Pseudonyms(bytes(32)))
events = []
for number, (account_id, occurred_at) in enumerate([("acme", at), ("quiet", at), ("quiet", at + HOUR)]):
    line = {
        "type": "feedback",
        "event_id": f"f-{number}",
        "source": "app",
        "account_id": account_id,
        "occurred_at": occurred_at,
    }
    received = EventLines(contract).read(json.dumps(line).encode(), "feedback", number)
    assert isinstance(received, Received), received
    accepted = intake.process(received, occurred_at)
    assert isinstance(accepted, Accepted), accepted
    events.append((account_id, codec.encode(accepted.entry)))
assert isinstance(codec.decode(events[0][1]).body, Feedback)
later = [
    ("", LogEntry(at, "", 0, 0, Scorecards(documents))),
    *((account_id, codec.decode(event)) for account_id, event in events),
    ("", LogEntry(at + DAY, "", 0, 0, Tick())),
]
outputs = fold_on(fold, [*entries, *later])
snapshot = [out for name, out in outputs if name == "acme" and isinstance(out, HealthSnapshot)][-1]
alerts = [out for name, out in outputs if name == "quiet" and isinstance(out, AlertEvent)]
state = encode_account(bytes(16), fold.states["acme"])
assert encode_account(bytes(16), decode_account(state)) == state
sys.stdout.write(
    json.dumps(
        {
            "components": {part.name: part.score for part in snapshot.components},
            "opened": {alert.sign: alert.opened_at - at for alert in alerts},
            "event": base64.b64encode(events[0][1]).decode(),
            "scorecard": documents[0],
        }
    )
)
