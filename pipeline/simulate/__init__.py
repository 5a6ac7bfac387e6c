"""
A seeded portfolio of accounts whose lives contain stories, written as the events their systems would send.

Nothing here scores or detects anything. An account is a profile (``profile``) with habits (``habits``) that a
story (``stories``) may change; ``product``, ``support``, ``billing`` and ``surveys`` turn habits into what
happens on a day, ``account`` and ``delivery`` into what arrives, and ``portfolio`` puts all accounts into one
stream. ``demo`` lays the stories of ``live`` around the present moment, by what the core says of a
``rehearsal``.
"""
