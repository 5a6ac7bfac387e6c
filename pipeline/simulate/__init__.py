"""
A seeded portfolio of accounts whose lives contain stories, written as the events their systems would send.

Nothing here scores or detects anything. An account is a profile (``profile``) with habits (``habits``) that a
story (``stories``) may change; ``product``, ``support``, ``billing`` and ``surveys`` turn habits into what happens
on a day, ``delivery`` into what arrives, ``portfolio`` puts all accounts into one stream, and ``demo`` lays stories
around the present moment.
"""
