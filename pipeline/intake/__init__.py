"""
The intake's decisions: what was received becomes an entry of the account log, or a dead letter with its
reason.
"""
