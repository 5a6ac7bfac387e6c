"""Print every transition of an alert once. Usage: consumer.py BROKERS TOPIC SCHEMAS."""

import io
import re
import sys
from pathlib import Path

from confluent_kafka import Consumer
from fastavro import schemaless_reader
from fastavro.schema import load_schema

brokers, topic, folder = sys.argv[1:]
registry = (Path(folder) / "registry.yaml").read_text()
files = {int(number): file for number, file in re.findall(r"{id: (\d+),.* file: (.*)}", registry)}
schemas = {}
seen = set()

group = {"group.id": "alerts-python", "auto.offset.reset": "earliest"}
consumer = Consumer({"bootstrap.servers": brokers, **group})
consumer.subscribe([topic])
while True:
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error():
        sys.exit(str(message.error()))
    value = message.value()
    number = int.from_bytes(value[1:5], "big")  # byte 0 is 0, then the schema's id, then Avro
    if number not in schemas:
        schemas[number] = load_schema(Path(folder) / files[number])
    alert = schemaless_reader(io.BytesIO(value[5:]), schemas[number], None)
    if (alert["alert_id"], alert["sequence"]) not in seen:
        seen.add((alert["alert_id"], alert["sequence"]))
        cmrr = "-" if alert["cmrr"] is None else f"{alert['cmrr']:f}"
        print(alert["account_id"], alert["sign"], alert["severity"], cmrr, flush=True)
