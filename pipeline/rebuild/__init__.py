"""
The health state made again from the account log, under a new epoch. What the workers do about it is theirs.
"""
