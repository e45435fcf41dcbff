"""The process that says how far a run of tests is; it imports little, so that it is there at once."""

import os
import select
import signal
import sys
import time

SAY_SECONDS = float(os.environ.get("GOSONDE_PROGRESS_SECONDS", "30"))


def duration(seconds: float) -> str:
    """Seconds or minutes, as exactly as a guess deserves."""
    if seconds < 90:
        rounded = max(round(seconds / 5) * 5, 5) if seconds > 5 else max(round(seconds), 1)
        return f"{rounded} second{'s' if rounded != 1 else ''}"
    return f"{round(seconds / 60)} minutes"


def line(done: int, total: int, left: float) -> str:
    """How far a run is."""
    return f"{100 * done // total}%: {done:,} of {total:,} tests, about {duration(left)} left"


def speak(every_seconds: float) -> None:
    """Says on standard output how far the run is that reports on standard input, until that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    done, total, left, reported = 0, 0, 0.0, time.monotonic()
    due = reported + every_seconds
    source = sys.stdin.fileno()
    rest = b""
    while True:
        readable, _, _ = select.select([source], [], [], max(due - time.monotonic(), 0))
        if readable:
            if not (data := os.read(source, 65_536)):
                return
            *lines, rest = (rest + data).split(b"\n")
            if lines:
                first, second, third = lines[-1].split()
                done, total, left, reported = int(first), int(second), float(third), time.monotonic()
        if time.monotonic() >= due:
            due += every_seconds
            if total:
                said = line(done, total, max(left - (time.monotonic() - reported), 0))
                os.write(1, f"\n{said}\n".encode())


if __name__ == "__main__":
    speak(SAY_SECONDS)
