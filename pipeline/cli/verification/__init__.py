"""
What ``telltale verify`` does: the account log folded again, and held against all that was made of it.

- ``differences``  what is not as it should be, named to the field and the event
- ``written``      state and topics of one partition, as they stand
- ``stored``       the rows of some accounts, as they stand
- ``partition``    one partition of the log folded, and compared on the way

Everything written is read before the log, so all of it must follow from the log. What follows from the log and is not
written is missing only up to where the state says the worker has come; beyond that it is lag.
"""
