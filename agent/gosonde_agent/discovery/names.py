"""Which process of this host has a name."""

import difflib
import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from gosonde_common.errors import GosondeError, NotFoundError

from gosonde_agent.golang.buildinfo import read_version_string
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.host import procfs

#: Processes that are looked at, and what is named of them where none has the name.
MOST_PROCESSES = 1 << 16
MOST_NAMED = 10
MAX_COMM = 64


@dataclass(frozen=True, slots=True)
class Named:
    """A process: the path of what it runs, or only what it calls itself where the path may not be read."""

    pid: int
    path: str

    @property
    def name(self) -> str:
        """The end of the path."""
        return PurePath(self.path).name


def named() -> Iterator[Named]:
    """Every process of this host, except threads of the kernel."""
    for pid in procfs.pids()[:MOST_PROCESSES]:
        try:
            yield Named(pid, procfs.program(pid).path)
        except NotFoundError:
            continue
        except GosondeError:
            if comm := _comm(pid):
                yield Named(pid, comm)


def pid_of(name: str) -> int:
    """The pid of the one process whose executable has this name, or this path; patterns are allowed.

    Raises:
        NotFoundError: There is none, or there are several: names them.
    """
    every = list(named())
    found = [one for one in every if fnmatch.fnmatchcase(one.name, name) or fnmatch.fnmatchcase(one.path, name)]
    if len(found) > 1:
        raise NotFoundError(f"{name} is the name of {len(found)} processes; give the pid: {_listed(found)}")
    if not found:
        known = _go_programs(every)
        like = difflib.get_close_matches(name, {one.name for one in known}, MOST_NAMED)
        first = sorted(known, key=lambda one: (one.name not in like, one.pid))
        here = f"Go processes here: {_listed(first)}" if known else "no Go process is seen here"
        raise NotFoundError(f"no process here runs an executable named {name}; {here}")
    return found[0].pid


def _listed(found: list[Named]) -> str:
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return ", ".join(f"{one.pid} {one.name}" for one in found[:MOST_NAMED]) + more


def _go_programs(every: list[Named]) -> list[Named]:
    """Those whose files have Go's build info, as far as they may be read; each file is looked at once."""
    is_go: dict[str, bool] = {}
    for one in every:
        if one.path not in is_go:
            is_go[one.path] = _has_build_info(one.pid)
    return [one for one in every if is_go[one.path]]


def _has_build_info(pid: int) -> bool:
    try:
        with procfs.executable(pid) as (fd, _path):
            read_version_string(ElfImage(fd))
    except GosondeError:
        return False
    return True


def _comm(pid: int) -> str:
    try:
        with Path(f"/proc/{pid}/comm").open("rb") as file:
            return file.read(MAX_COMM).decode("utf-8", "replace").strip()
    except OSError:
        return ""
