#!/bin/sh
# librdkafka's mock cluster keeps Java's client waiting for 20 minutes, and franz-go cannot decode its answer.
#
# Version: confluent-kafka 2.16.0 (PyPI; librdkafka 2.16.0), Python 3.11; clients kafka-clients 4.3.1,
#        franz-go 1.22.3
# Guess: a client that asks for ApiVersions 4 is told error 35 (unsupported version) in the layout of
#        version 0, as KIP-511 has it, and asks again in an older version; or the client stops with an
#        error.
# Seen:  error 35 comes, but not in the layout of version 0. Read so, it announces 16,781,824 APIs (franz-go:
#        "response did not contain enough data to be valid"). Read as version 4, it is no API and a
#        throttle of 1,179,648 ms: Java's consumer obeys, logs "Rebootstrapping with" without end, and
#        reads nothing.
#   ApiVersions 0: error 0, 24 APIs
#   ApiVersions 4: error 35; by the layout of version 0: 16781824 APIs; by that of version 4: throttle 1179648 ms
# Do:    use librdkafka, aiokafka or kafkajs with the mock cluster, or cap franz-go with kgo.MaxVersions.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check confluent-kafka==2.16.0
cat > "$folder/ask.py" <<'PYTHON'
import socket
import struct

from confluent_kafka.admin import AdminClient

# The bootstrap address is ignored: the mock cluster lives in this process.
admin = AdminClient({"bootstrap.servers": "unused:9092", "test.mock.num.brokers": 1, "log_level": 0})
broker = next(iter(admin.list_topics(timeout=10).brokers.values()))


def ask(version: int, header_end: bytes, body: bytes) -> bytes:
    request = struct.pack(">hhih", 18, version, 7, 1) + b"x" + header_end + body
    with socket.create_connection((broker.host, broker.port), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
        return connection.recv(length, socket.MSG_WAITALL)[4:]


error, count = struct.unpack_from(">hi", ask(0, b"", b""))
print(f"ApiVersions 0: error {error}, {count} APIs")
answer = ask(4, b"\0", b"\x02x\x02y\0")  # client software's name and version, no tagged fields
error, count = struct.unpack_from(">hi", answer)
assert answer[2] == 1, "a compact array of no APIs"
(throttle,) = struct.unpack_from(">i", answer, 3)
seen = f"by the layout of version 0: {count} APIs; by that of version 4: throttle {throttle} ms"
print(f"ApiVersions 4: error {error}; {seen}")
PYTHON
cat > "$folder/expected" <<'TEXT'
ApiVersions 0: error 0, 24 APIs
ApiVersions 4: error 35; by the layout of version 0: 16781824 APIs; by that of version 4: throttle 1179648 ms
TEXT
"$folder/venv/bin/python" "$folder/ask.py" | tee "$folder/seen"
diff "$folder/expected" "$folder/seen"
