"""
Kafka for everything that is not a worker: topics, reading one to its end, appending, lag.

Workers have clients of their own (``agents``, ``sinks``). What the topics are is declared in
``schemas/topics.yaml``; these modules get names, counts and settings as values, and know no record's
contents.

Errors: ``TelltaleError`` > ``KafkaFailed`` > ``BrokerUnreachable``, all in ``client``.
"""
