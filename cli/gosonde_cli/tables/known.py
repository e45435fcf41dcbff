"""Which processes of a collector are asked for, and whether it knows enough of them to say anything."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

from gosonde.collector_client import ProcessName, ProcessRow
from gosonde_common.errors import NotFoundError
from gosonde_common.values.containers import NO_CONTAINER, Container

from gosonde_cli.rendering import cell, counted, duration
from gosonde_cli.tables.arranging import is_executable
from gosonde_cli.tables.asked import AskedOfCollector

#: What is named of what is known, when something else was asked for.
MOST_NAMED: Final = 10
#: Levels at which there are no probes, and what that means.
NOT_COUNTED: Final = {"off": "without probes", "refused": "not watched"}
NONE_KNOWN: Final = (
    "No data: no agent has reported a process to this collector. Is gosonde agent running, with this collector as its "
    "--collector?"
)


def selected(
    known: Sequence[ProcessRow], host: str, which: str, exe: str = "", container: Container = NO_CONTAINER
) -> list[ProcessRow]:
    """Those of a host, with a pid or a name, with an executable that matches, and in a container with these names.

    All of them when nothing is asked.

    Raises:
        NotFoundError: There is none; names what is known.
    """
    of_host = [row for row in known if row.host == host] if host else list(known)
    if host and not of_host:
        hosts = _named("hosts", (row.host for row in known), host)
        raise NotFoundError(f"no process of a host {cell(host)} is known; {hosts}")
    found = [row for row in of_host if _fits(row, which)]
    if which and not found:
        place = f" of host {cell(host)}" if host else ""
        names = _named("processes", map(_name, of_host), which)
        raise NotFoundError(f"no process {cell(which)}{place} is known; {names}")
    matching = [row for row in found if is_executable(row.exe, exe)] if exe else found
    if exe and not matching:
        exes = _named("executables", (row.exe for row in found), exe)
        raise NotFoundError(f"no executable matches {cell(exe)}; {exes}")
    return matching if container == NO_CONTAINER else _in_container(matching, container)


def _in_container(rows: Sequence[ProcessRow], wanted: Container) -> list[ProcessRow]:
    """Raises NotFoundError, which names what is known of the first name that none of them has."""
    left = list(rows)
    for field in ("namespace", "pod", "workload"):
        if name := getattr(wanted, field):
            names = [getattr(row.container, field, "") for row in left]
            left = [row for row, own in zip(left, names, strict=True) if own == name]
            if not left:
                raise NotFoundError(
                    f"no process of a {field} {cell(name)} is known; {_named(f'{field}s', names, name)}"
                )
    return left


class Owned(Protocol):
    """A row about a process of a host."""

    @property
    def host(self) -> str:
        """The host."""
        ...

    @property
    def process(self) -> ProcessName:
        """The process."""
        ...


OwnedRow = TypeVar("OwnedRow", bound=Owned)


def of(asked: AskedOfCollector, rows: Iterable[OwnedRow]) -> list[OwnedRow]:
    """The rows about a process that is asked for."""
    return [
        row
        for row in rows
        if asked.host in ("", row.host)
        and _fits(row.process, asked.which)
        and (not asked.exe or is_executable(row.process.exe, asked.exe))
    ]


def the_one(known: Sequence[ProcessRow], host: str, which: str) -> ProcessRow:
    """The newest process with this pid, or the only one with this name.

    Raises:
        NotFoundError: There is none, or several; names them.
    """
    found = selected(known, host, which)
    if len({(row.host, row.pid) for row in found}) > 1:
        raise NotFoundError(
            f"{cell(which)} is not one process: {', '.join(sorted(set(map(_whole_name, found)))[:MOST_NAMED])}"
        )
    return found[0]


def pid_of(which: str) -> int:
    """The pid that is asked for, for a collector's filter; 0 where a name is, or nothing."""
    return int(which) if which.isdecimal() else 0


def _fits(row: ProcessRow | ProcessName, which: str) -> bool:
    return not which or (str(row.pid) == which if which.isdecimal() else is_executable(row.exe, which))


def _name(row: ProcessRow) -> str:
    return f"{row.pid} {row.exe.rpartition('/')[2]}"


def _whole_name(row: ProcessRow) -> str:
    return cell(f"pid {row.pid} on host {row.host} ({row.exe})")


def _named(what: str, names: Iterable[str], wanted: str) -> str:
    """Those that are known, what looks like the one that was wanted first."""
    every = list(dict.fromkeys(filter(None, names)))
    if not every:
        return f"known {what}: none"
    like = difflib.get_close_matches(wanted, every[:1_000], MOST_NAMED)
    first = list(dict.fromkeys([*like, *sorted(every)]))[:MOST_NAMED]
    more = f", and {len(every) - len(first):,} more" if len(every) > len(first) else ""
    return f"known {what}: {', '.join(map(cell, first))}{more}"


def gaps(rows: Collection[ProcessRow]) -> Iterator[str]:
    """What is not known of these processes, in sentences: who stands behind an empty list must hear of it."""
    if not rows:
        yield NONE_KNOWN
        return
    hosts = sorted({row.host for row in rows if row.stale})
    for host in hosts[:MOST_NAMED]:
        stale = [row for row in rows if row.host == host and row.stale]
        age, count = duration(min(row.age_ns for row in stale)), counted(len(stale), "process", "processes")
        yield f"host {cell(host)} has sent nothing for {age} ({count}): its agent has stopped or cannot connect"
    if len(hosts) > MOST_NAMED:
        yield f"nor from {counted(len(hosts) - MOST_NAMED, 'more host')}"
    for level, meaning in NOT_COUNTED.items():
        if of_level := [row for row in rows if row.level == level]:
            names = sorted(set(map(_name, of_level)))
            more = f", and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
            yield f"level {level}, {meaning}: {cell(', '.join(names[:MOST_NAMED]))}{more}"


def has_data(rows: Iterable[ProcessRow]) -> bool:
    """Whether something is known of any of them as it is now."""
    return any(not row.stale and row.level not in NOT_COUNTED for row in rows)
