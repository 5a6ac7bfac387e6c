"""
Bytes ⇄ values: topics and schemas, the registry, inputs, the account log, outputs, state, history files.
"""
