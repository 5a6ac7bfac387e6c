"""What an event changed in an account, as bits: components that look at it are assessed again."""

from typing import Final

NOTHING: Final = 0
"""Noted, but no component or sign can see a difference."""

LOGINS: Final = 1
TICKETS: Final = 2
SURVEYS: Final = 4
INVOICES: Final = 8
FACTS: Final = 16

SHOWN: Final = 32
"""Something the snapshot shows as it is: a version is due."""

RHYTHM: Final = 64
"""The first login of a day: how long the account stays away may have changed."""

SPONSOR: Final = 128
"""Beside LOGINS: a champion or executive who had not been seen for a week."""

LEFT_OUT: Final = 256
"""Older than what is remembered, of a kind this version does not know, or for an account that is closed."""

EVICTED: Final = 512
"""The account had too many people, and those seen longest ago were forgotten."""

A_DAY: Final = LOGINS | TICKETS | SURVEYS | INVOICES | SPONSOR
"""What the passing of a day may change; the rhythm goes by the logins, not by the day it is."""

EVERYTHING: Final = LOGINS | TICKETS | SURVEYS | INVOICES | FACTS | RHYTHM | SPONSOR
