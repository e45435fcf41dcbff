"""Who has uprobes in the file that a process runs, as far as the kernel says it of who holds them."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

#: What a uprobe is held by.
LINKS = ("anon_inode:bpf_link", "anon_inode:bpf-link", "anon_inode:[perf_event]")
MAX_PROCESSES, MAX_DESCRIPTORS, MAX_NAMED = 65_536, 65_536, 8


def said(pid: int) -> str:
    """Who may have done it: the end of a sentence; empty when nobody is found."""
    path = _read_link(f"/proc/{pid}/exe")
    held = dict(_holders())
    sure = [holder for holder, info in held.items() if path and path in info]
    names = [_name(holder) for holder in (sure or held)][:MAX_NAMED]
    if not names:
        return ""
    return f" (uprobes {'in its file' if sure else 'in some file'} are held by {', '.join(names)})"


def _holders() -> Iterator[tuple[int, str]]:
    """(pid, what the kernel says of all that it holds) of each process that holds probes."""
    for entry in itertools.islice(os.scandir("/proc"), MAX_PROCESSES):
        if entry.name.isdigit() and (infos := list(_infos(entry.name))):
            yield int(entry.name), "\n".join(infos)


def _infos(pid: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for entry in itertools.islice(os.scandir(f"/proc/{pid}/fd"), MAX_DESCRIPTORS):
            if _read_link(entry.path) in LINKS:
                info = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text(errors="replace")
                if "tracepoint" not in info:
                    yield info


def _read_link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - asked for each descriptor of the host
    except OSError:
        return ""


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return f"process {pid} ({Path(f'/proc/{pid}/comm').read_text(errors='replace').strip()})"
    return f"process {pid}"
