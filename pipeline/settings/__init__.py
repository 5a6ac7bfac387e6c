"""
What an operator decides: where broker, registry and database are, who we are there, how often time passes.

Each process reads it once, at its start, and hands plain values on. How accounts are scored is no setting:
that stands in the scorecards, which are part of the log. ``model`` has every setting with its meaning.
"""

from pipeline.settings.loading import Described, described_settings, load_settings
from pipeline.settings.model import FILE_VARIABLE, PREFIX, InvalidSettings, Need, Security, Settings

__all__ = [
    "FILE_VARIABLE",
    "PREFIX",
    "Described",
    "InvalidSettings",
    "Need",
    "Security",
    "Settings",
    "described_settings",
    "load_settings",
]
