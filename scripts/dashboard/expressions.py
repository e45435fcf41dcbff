"""What panels ask Prometheus: series of the job, hosts and processes that the dashboard's variables choose."""

from typing import Final

#: Of one job, for agents and the collector serve the same figures.
JOB: Final = 'job="$job"'
HOSTS: Final = f'{JOB}, host=~"$host"'
PROCESSES: Final = f'{HOSTS}, exe=~"$exe", pid=~"$pid"'
#: Labels of a process, and of a `go` statement. Those of an agent have no host, so instances are told apart as well.
PROCESS: Final = "instance, host, pid, exe"
SITE: Final = f"{PROCESS}, function, location"


def live(of: str) -> str:
    """Goroutines that are alive, of those with the labels `of`."""
    return f"gosonde_goroutines_live{{{of}}}"


def growth(of: str) -> str:
    """How many more of them there are each second."""
    return f"deriv({live(of)}[$__rate_interval])"


def quantile(part: float, of: str, by: str) -> str:
    """The pause that a part of all does not exceed, in seconds, by labels."""
    labels = f"{by}, le" if by else "le"
    buckets = f"rate(gosonde_gc_pause_seconds_bucket{{{of}}}[$__rate_interval])"
    return f"histogram_quantile({part}, sum by ({labels}) ({buckets}))"


def with_finding(what: str, by: str) -> str:
    """Those of `what` of which there is an open finding, with its id as the label `finding`."""
    return f"{what} * on ({by}) group_left (finding) topk by ({by}) (1, gosonde_finding_info{{{HOSTS}}})"


def without_finding(what: str, by: str) -> str:
    """The others."""
    return f"{what} unless on ({by}) gosonde_finding_info{{{HOSTS}}}"
