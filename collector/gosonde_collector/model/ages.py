"""How old what is known of processes is, by the collector's clock."""

from gosonde_common.staleness import is_stale

from gosonde_collector.model.values import KnownProcess


def since(taken_unix_nano: int, stored_unix_nano: int, now_unix_nano: int, clock_offset_ns: int) -> int:
    """How old an observation is: since it was taken, as far as its host's clock is known, and since it was stored."""
    return max(now_unix_nano - stored_unix_nano, now_unix_nano + clock_offset_ns - taken_unix_nano, 0)


def age_ns(known: KnownProcess, now_unix_nano: int, clock_offset_ns: int) -> int:
    """How old the last observation of a process's agent is."""
    return since(known.last_observed_unix_nano, known.last_stored_unix_nano, now_unix_nano, clock_offset_ns)


def is_overdue(known: KnownProcess, age: int) -> bool:
    """Whether a process of which nothing new was said for `age` ns is taken to run still."""
    return not known.process.ended_unix_nano and is_stale(age, known.interval_ns)
