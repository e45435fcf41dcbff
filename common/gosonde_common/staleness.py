"""From which age on what is said of a process counts as stale. docs/agent.md has the rule for people."""

from typing import Final

#: Observations may be so far apart, whatever is configured: an agent with much or nothing to do rests longer.
LEAST_SECONDS: Final = 15.0
#: So many intervals without an observation are none that came late by chance.
INTERVALS: Final = 3


def is_stale(age_ns: int, interval_ns: int) -> bool:
    """Whether another observation should have come since one of this age; an interval of 0 is not known."""
    return age_ns > max(INTERVALS * interval_ns, LEAST_SECONDS * 1e9)
