"""How many files this process may have open."""

import resource

from gosonde_common.errors import UnavailableError

#: The maps, the helper's channels at both ends, the agent's own, and the probes of some programs.
FEWEST = 256
#: What part of all files something that could do without may keep open.
PART = 8


def check_enough() -> None:
    """Refuses a limit with which the agent, or a helper that it starts, would fail sooner or later at the start.

    Raises:
        UnavailableError: The message has the limit.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < FEWEST:
        raise UnavailableError(
            f"this process may open {limit} files, but the agent needs {FEWEST}: raise the limit (ulimit -n)"
        )


def kept_at_most(most: int) -> int:
    """How many files something may keep open that could do without: no more than so many, nor than a part of all."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if limit == resource.RLIM_INFINITY else min(most, limit // PART)
