#!/bin/sh
# Apache's avro for Python writes a decimal at a wrong scale, without an error.
#
# Version: avro 1.12.2 (PyPI), Python 3.11
# Guess: 1200.50 at scale 4 is written as 1200.5000, or refused because its scale is 2.
# Seen:  1200.50 is written as 12.0050, 12 as 0.0012: the digits are kept and the schema's scale is put on
#        them. 1200.5000 is written rightly, and a value of five decimals is refused.
#   1200.50 read as 12.0050
#   1200.5000 read as 1200.5000
#   12 read as 0.0012
# Do:    quantize to the schema's scale before writing, or write with fastavro, which rescales.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check avro==1.12.2
cat > "$folder/scale.py" <<'PYTHON'
import io
from decimal import Decimal

from avro.io import BinaryDecoder, BinaryEncoder, DatumReader, DatumWriter
from avro.schema import parse

schema = parse('{"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4}')
for amount in ("1200.50", "1200.5000", "12"):
    written = io.BytesIO()
    DatumWriter(schema).write(Decimal(amount), BinaryEncoder(written))
    print(amount, "read as", DatumReader(schema).read(BinaryDecoder(io.BytesIO(written.getvalue()))))
PYTHON
cat > "$folder/expected" <<'TEXT'
1200.50 read as 12.0050
1200.5000 read as 1200.5000
12 read as 0.0012
TEXT
"$folder/venv/bin/python" "$folder/scale.py" | tee "$folder/seen"
diff "$folder/expected" "$folder/seen"
