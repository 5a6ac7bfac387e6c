"""
Topics → a target that keeps its own positions (``sinks.target``).

``consumer`` decides: claim, write, wait, claim again. ``topic_reader`` is the Kafka side of it. ``readiness``
is what the process says about itself.
"""
