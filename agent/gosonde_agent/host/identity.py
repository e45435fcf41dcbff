"""Who this agent is: an id that outlives restarts, an epoch that does not, and the host."""

import errno
import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

import structlog
from gosonde_common.errors import InvalidInputError, UnsupportedError, UsageError

from gosonde_agent.host import procfs

log = structlog.get_logger(__name__)

AGENT_ID_FILE = "agent_id"

#: What a disk says that is full, or that is read alone. The agent can run without it.
_TAKES_NOTHING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_AGENT_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Attributes:
    agent_id: 32 hexadecimal digits; the same for the life of an installation, once its disk took them.
    agent_epoch: 32 hexadecimal digits; another one at each start.
    host: The host's name.
    boot_id: Identity of the running kernel's boot.
    """

    agent_id: str
    agent_epoch: str
    host: str
    boot_id: str


def load(state: Path, host: str = "") -> Identity:
    """The identity kept in the folder `state`, which is made if it is missing, with a fresh epoch.

    Args:
        state: The folder.
        host: The host's name; "" for the one that it gives itself.

    Raises:
        UnsupportedError: `state` may not be written by this user.
        UsageError: `state` is no folder or cannot be written for another reason.
        InvalidInputError: The file that holds the id is damaged.
    """
    return Identity(
        agent_id=_agent_id(state),
        agent_epoch=secrets.token_hex(16),
        host=host or socket.gethostname(),
        boot_id=procfs.boot_id(),
    )


def _agent_id(state: Path) -> str:
    path = state / AGENT_ID_FILE
    try:
        state.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not path.exists():
            _create(path, secrets.token_hex(16))
        text = path.read_bytes()[:64].decode("ascii", "replace").strip()
    except PermissionError as error:
        raise UnsupportedError(
            f"state {state}: not permitted; run as root or give another folder with --state"
        ) from error
    except OSError as error:
        if error.errno in _TAKES_NOTHING:
            log.error("the agent id cannot be kept: it is of this run alone", state=str(state), reason=error.strerror)  # noqa: TRY400
            return secrets.token_hex(16)
        raise UsageError(f"state {state}: {error.strerror}; give another folder with --state") from error
    if not _AGENT_ID.fullmatch(text):
        raise InvalidInputError(f"{path} does not hold 32 hexadecimal digits; delete it to get a new agent id")
    return text


def _create(path: Path, agent_id: str) -> None:
    """Writes the file whole or not at all. Of two agents that do this at once, the first to finish wins for both."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(agent_id + "\n")
            file.flush()
            os.fsync(file.fileno())
        _link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _link(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
