"""
What ``telltale bench`` measures, one module per measurement, and what they share.

Workers run as their own processes, by the commands users run, on a broker that is not shared with anything
else. Results are read where they become true (the broker's append times, Postgres's commit times, /proc),
never from a worker's own word.
"""
