"""A file of compiled probes: those of the last start, in the agent's folder, or those of the package.

Whoever could change them could run code in the kernel. So the file is believed only when nobody else can write it, and
only when each of its bytes is as it was written.
"""

import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path

from gosonde_agent.sources.ebpf.compiled import MOST_BYTES, Compiled, from_bytes

FILE_NAME = "probes.compiled"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class NotKeptError(Exception):
    """There are no compiled probes to use; the message says why."""


def read(folder: Path, key: str) -> Compiled:
    """The probes that were kept for `key`, which says what they were made of.

    Raises:
        NotKeptError: There are none, they are of something else, somebody else can write them, or they are damaged.
    """
    try:
        folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _check_owner(folder_fd, "the folder")
            content = _content(folder_fd)
        finally:
            os.close(folder_fd)
    except FileNotFoundError:
        raise NotKeptError("none were kept") from None
    except OSError as error:
        raise NotKeptError(f"the file cannot be read: {error.strerror}") from error
    found, _, rest = content.partition(b"\n")
    kept_key, _, document = rest.partition(b"\n")
    if found != hashlib.sha256(rest).hexdigest().encode():
        raise NotKeptError("the file is damaged")
    if kept_key != key.encode():
        raise NotKeptError("they were compiled for another kernel, bcc or gosonde")
    try:
        return from_bytes(document)
    except ValueError as error:
        raise NotKeptError(f"the file is damaged: {error}") from error


def keep(folder: Path, key: str, compiled: Compiled) -> None:
    """Keeps the probes in place of those before, whole or not at all. The folder is made when it is not there.

    Raises:
        OSError: They could not be written.
    """
    rest = key.encode() + b"\n" + compiled.to_bytes()
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    draft = folder / f".{FILE_NAME}.{secrets.token_hex(8)}"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
        draft.replace(folder / FILE_NAME)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _content(folder_fd: int) -> bytes:
    descriptor = os.open(FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder_fd)
    with os.fdopen(descriptor, "rb") as file:
        _check_owner(descriptor, "the file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise NotKeptError("the file is too large")
    return content


def _check_owner(descriptor: int, what: str) -> None:
    found = os.fstat(descriptor)
    if found.st_uid not in {0, os.geteuid()}:
        raise NotKeptError(f"{what} belongs to user {found.st_uid}, who is neither root nor the agent's user")
    if found.st_mode & _WRITABLE_BY_OTHERS:
        raise NotKeptError(f"{what} can be written by others: mode {stat.S_IMODE(found.st_mode):o}")
