"""How a child process ends: by itself, or because it is stopped."""

import contextlib
import subprocess

#: How long it is waited for.
PATIENCE_SECONDS = 5


def own_end(child: "subprocess.Popen[bytes]", *, has_ended: bool) -> int | None:
    """How a command ended by itself; None while it runs. Of one that has ended the kernel may say so a little later."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(PATIENCE_SECONDS if has_ended else 0)
    return None


def stop(child: "subprocess.Popen[bytes]") -> None:
    """Ends a child that runs: by SIGTERM, and by SIGKILL where it takes its time."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
