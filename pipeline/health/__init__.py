"""The core: a pure fold from log entries to health, its changes and its alerts."""
