"""How many files this process may have open."""

import resource

from gosonde_common.errors import UnavailableError

#: The maps, the helper's channels at both ends, the agent's own, and the probes of some programs.
FEWEST = 256


def check_enough() -> None:
    """Refuses a limit with which the agent, or a helper that it starts, would fail sooner or later at the start.

    Raises:
        UnavailableError: The message has the limit.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < FEWEST:
        raise UnavailableError(
            f"this process may have {limit} files open, and the agent needs {FEWEST}: raise the limit (ulimit -n)"
        )
