"""Where commands keep what they can work out again: for root what only root can write, else a folder of the user."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder; it need not be there. Who reads from it checks that nobody else can write it."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    if chosen and Path(chosen).is_absolute():
        return Path(chosen) / "gosonde"
    return Path("/var/cache" if os.geteuid() == 0 else Path.home() / ".cache") / "gosonde"
