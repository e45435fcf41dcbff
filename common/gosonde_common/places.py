"""Where a service that was typed by hand keeps its files: the host's folders where they are ours, else the user's.

A configuration file is of a service that was installed, and says itself where things are. Imports nothing large.
"""

import os
from pathlib import Path

from gosonde_common import addresses

UNIX = "unix:"


def state(folder: Path) -> Path:
    """`folder` of the host where this user may write to it or make it, else one below XDG_STATE_HOME."""
    return folder if _is_ours(folder) else _own_state() / folder.name.removeprefix("gosonde-")


def agent_address() -> str:
    """Where an agent that was typed by hand answers, "unix:PATH"."""
    return addresses.AGENT_ADDRESS if _is_ours(_path(addresses.AGENT_ADDRESS).parent) else _own_agent_address()


def reachable_agent_address() -> str:
    """The agent that a command asks, "unix:PATH": the host's where this user may ask it or has none of his own."""
    if os.access(_path(addresses.AGENT_ADDRESS), os.W_OK):
        return addresses.AGENT_ADDRESS
    own = _own_agent_address()
    return own if os.access(_path(own), os.F_OK) else addresses.AGENT_ADDRESS


def _path(address: str) -> Path:
    return Path(address.removeprefix(UNIX))


def _is_ours(folder: Path) -> bool:
    return os.geteuid() == 0 or os.access(folder, os.W_OK)


def _own_agent_address() -> str:
    runtime = _folder("XDG_RUNTIME_DIR")
    # Without a login there is none. A folder that all may write to, as /tmp, others could take first.
    return f"{UNIX}{runtime / 'gosonde' if runtime else _own_state()}/agent.sock"


def _own_state() -> Path:
    return (_folder("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "gosonde"


def _folder(variable: str) -> Path | None:
    """What the variable names; the standard has relative paths ignored."""
    folder = Path(os.environ.get(variable, ""))
    return folder if folder.is_absolute() else None
