"""Confluent's own serializers write the bytes we write, and read them as we mean them."""

import json
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from pipeline.wire.avro import Decoder, Encoder
from pipeline.wire.contract import Topic
from pipeline.wire.registry import EmbeddedRegistry
from tests.contract.contract_examples import CONTRACT, as_codec_value, as_native_value, name_of, pairs

REGISTRY = EmbeddedRegistry(CONTRACT)


@pytest.fixture(scope="module")
def client() -> SchemaRegistryClient:
    """The client library's in-memory registry, filled line by line as ``registry.yaml`` has it."""
    client = SchemaRegistryClient.new_client({"url": "mock://telltale"})
    for line in CONTRACT.registered.values():
        schema_id = client.register_schema(line.subject, Schema(json.dumps(line.schema), "AVRO"))
        assert schema_id == line.schema_id
    return client


def context(topic: Topic) -> SerializationContext:
    return SerializationContext(topic.name, MessageField.VALUE)


@pytest.mark.parametrize(("topic", "example"), pairs(), ids=name_of)
def test_confluents_serializer_writes_our_bytes(
    client: SchemaRegistryClient, topic: Topic, example: dict[str, Any]
) -> None:
    """A producer in any language that uses the topic's schema is understood."""
    schema = CONTRACT.newest(topic)
    settings = {"auto.register.schemas": False, "subject.name.strategy.type": "TOPIC"}
    serializer = AvroSerializer(client, json.dumps(schema), conf=settings)

    theirs = serializer(as_native_value(schema, example), context(topic))

    assert theirs == Encoder(topic, CONTRACT, REGISTRY).encode(as_codec_value(schema, example))
    assert Decoder(topic, CONTRACT, REGISTRY, name_unions=topic == CONTRACT.log).decode(
        theirs
    ) == as_codec_value(schema, example)


@pytest.mark.parametrize(("topic", "example"), pairs(), ids=name_of)
def test_confluents_deserializer_reads_our_bytes(
    client: SchemaRegistryClient, topic: Topic, example: dict[str, Any]
) -> None:
    """A consumer in any language reads what we mean: times as times, money as money."""
    schema = CONTRACT.newest(topic)
    ours = Encoder(topic, CONTRACT, REGISTRY).encode(as_codec_value(schema, example))

    theirs = AvroDeserializer(client, return_record_name=topic == CONTRACT.log)(ours, context(topic))

    assert theirs == as_native_value(schema, example)
