"""A user beside root with numbers of its own to give to containers, known in one mount namespace alone.

There /etc/passwd and its like have the user; the host's own files stay as they are.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

#: Neither is anybody's on this host, nor one of a distribution.
UID, SUBORDINATE = 64_999, "6500000:65536"
LINES = {
    "passwd": f"ordinary:x:{UID}:{UID}::/:/bin/sh\n",
    "group": f"ordinary:x:{UID}:\n",
    "subuid": f"ordinary:{SUBORDINATE}\n",
    "subgid": f"ordinary:{SUBORDINATE}\n",
}


class OrdinaryUser:
    """Is there from the start of the block to its end; the home goes with the user."""

    def __init__(self) -> None:
        # Not in pytest's folder, which is root's alone.
        self.home = Path(tempfile.mkdtemp(prefix="gosonde-home."))
        self._holder: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for name, line in LINES.items():
            own, real = self.home / name, Path("/etc") / name
            own.write_text((real.read_text() if real.exists() else "") + line)
        for folder in (self.home, self.home / "run"):
            folder.mkdir(mode=0o700, exist_ok=True)
            shutil.chown(folder, UID, UID)
        mounts = "".join(f"mount --bind {self.home / name} /etc/{name} && " for name in LINES)
        script = f"{mounts}echo mounted && exec sleep infinity"
        command = ("unshare", "--mount", "--propagation=private", "sh", "-c", script)
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._holder.stdout
        assert self._holder.stdout.readline() == b"mounted\n"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._holder
        assert self._holder.stdout
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()
        shutil.rmtree(self.home)

    def command(self, *command: str | Path) -> tuple[str | Path, ...]:
        """The command line that runs a command as the user."""
        assert self._holder
        environment = (
            f"HOME={self.home}",
            f"XDG_RUNTIME_DIR={self.home / 'run'}",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        )
        return (
            "nsenter", f"--target={self._holder.pid}", "--mount", f"--wd={self.home}", "--",
            "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--", "env", "-i", *environment, *command,
        )  # fmt: skip
