"""
Avro in Confluent framing by the schema files and fastavro alone: what a stranger to this package would write.
"""

import io
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastavro

SCHEMAS = Path(__file__).parents[2] / "schemas"

_LINE = re.compile(r"- \{id: (\d+), subject: (\S+)-value, file: (\S+)\}")
_FRAME = struct.Struct(">bI")


class OutsideAvro:
    """
    Encodes inputs and decodes whatever stands in a topic; *ids* are the schema ids by topic, without prefix.
    """

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self._schemas: dict[int, Any] = {}
        self._files: dict[int, Path] = {}
        for number, topic, file in _LINE.findall((SCHEMAS / "registry.yaml").read_text()):
            self.ids[topic] = int(number)
            self._files[int(number)] = SCHEMAS / file
            self._schemas[int(number)] = fastavro.schema.load_schema(SCHEMAS / file)

    def file_of(self, number: int) -> Path:
        """The file of the schema with this id."""
        return self._files[number]

    def encode(self, topic: str, value: Mapping[str, Any]) -> bytes:
        """*value* by the newest schema of *topic*."""
        number = self.ids[topic]
        return self.encode_with(self._schemas[number], number, value)

    def encode_with(self, schema: Any, number: int, value: Mapping[str, Any]) -> bytes:
        """*value* by any parsed *schema*, under the id *number*."""
        out = io.BytesIO(_FRAME.pack(0, number))
        out.seek(_FRAME.size)
        fastavro.schemaless_writer(out, schema, dict(value))
        return out.getvalue()

    def decode(self, value: bytes) -> dict[str, Any]:
        """The fields of *value*; of a union of records the record's name and its fields."""
        _, number = _FRAME.unpack_from(value)
        found: Any = fastavro.schemaless_reader(
            io.BytesIO(value[_FRAME.size :]), self._schemas[number], None, return_record_name=True
        )
        return dict(found)
