"""Whether the watermark moves: the ticks, which alone let time pass in the account log."""

import time
from collections.abc import Iterator
from typing import Final

from pipeline.ops.checks.check import Finding, Site, State
from pipeline.ops.text_rows import moment

_STANDS_SECONDS: Final = 60.0
_SKEW_SECONDS: Final = 5.0  # From here on the intake writes no tick.
_WHY_IT_STANDS: Final = (
    "Look whether `telltale worker intake` runs, and at what it logs: clock.waiting, clock.refused."
)


def check_watermark(site: Site) -> Iterator[Finding]:
    """Tell how old the newest tick is, in the partition in which it is oldest."""
    end = site.log.end()
    if not end.watermark:
        state: State = "FAIL" if end.sources else "warn"
        says = "no tick is in the log yet: no time has passed in it"
        yield Finding(check="clock", state=state, says=says, hint="Start `telltale worker intake`.")
        return
    now = time.time()
    ahead = end.watermark / 1000 - now
    partition, oldest = min(end.clocks.items(), key=lambda item: item[1])
    age = now - oldest / 1000
    if ahead > _SKEW_SECONDS:
        says, help_ = (
            f"the log is {ahead:.0f} s ahead of this machine",
            "Set the clocks of the machines, by NTP.",
        )
        yield Finding(check="clock", state="FAIL", says=says, hint=help_)
    elif age > max(_STANDS_SECONDS, 3 * site.settings.tick_seconds):
        where = "the log's time" if oldest == end.watermark else f"the time of log partition {partition}"
        says = f"{where} stands since {moment(oldest):%Y-%m-%d %H:%M:%S} UTC, for {age:.0f} s"
        yield Finding(check="clock", state="FAIL", says=says, hint=_WHY_IT_STANDS)
    else:
        yield Finding(check="clock", state="ok", says=f"the log's last tick is {max(0.0, age):.0f} s old")
