"""How old what is known of processes is, by the collector's clock."""

from gosonde_common.staleness import is_stale

from gosonde_collector.model.values import KnownProcess


def age_ns(known: KnownProcess, now_unix_nano: int, clock_offset_ns: int) -> int:
    """Since the last observation of a process's agent was taken, as far as its host's clock is known, and stored."""
    since_taken = now_unix_nano + clock_offset_ns - known.last_observed_unix_nano
    return max(now_unix_nano - known.last_stored_unix_nano, since_taken, 0)


def is_overdue(known: KnownProcess, age: int) -> bool:
    """Whether a process of which nothing new was said for `age` ns is taken to run still."""
    return not known.process.ended_unix_nano and is_stale(age, known.interval_ns)
