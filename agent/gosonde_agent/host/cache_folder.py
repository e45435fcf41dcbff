"""Where commands keep what they can work out again: for root what only root can write, else a folder of the user."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder; it need not be there. Who reads from it checks that nobody else can write it.

    The environment does not choose root's: what `sudo` hands on may name a folder in which another user makes links.
    """
    if os.geteuid() == 0:
        return Path("/var/cache/gosonde")
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "gosonde"
