"""A command that finds itself on another host: with a host name, a boot id, and folders of its own."""

import shlex
from collections.abc import Sequence
from pathlib import Path

BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"


def other_host(folder: Path, host: str, boot_id: str, own: Sequence[str] = ()) -> tuple[str, ...]:
    """What is to be put before a command; it needs root, and leaves the pid as it is.

    Args:
        folder: Where the boot id may be kept.
        host: The host name.
        boot_id: The boot id.
        own: Folders that are empty for the command, and whose content nobody else sees.
    """
    file = folder / "boot_id"
    file.write_text(boot_id + "\n")
    steps = [f"hostname {shlex.quote(host)}", f"mount --bind {shlex.quote(str(file))} {BOOT_ID_FILE}"]
    steps += [f"mount -t tmpfs tmpfs {shlex.quote(path)}" for path in own]
    return ("unshare", "--uts", "--mount", "sh", "-c", " && ".join([*steps, 'exec "$@"']), "sh")
