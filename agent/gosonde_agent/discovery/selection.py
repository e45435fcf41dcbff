"""Which processes the operator wants watched."""

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gosonde_common.errors import UnavailableError, UsageError

from gosonde_agent.discovery import facts

#: What is known only where a container runtime is asked.
NAMES: Final[Mapping[str, Callable[[int], frozenset[str]]]] = {
    "namespace": facts.namespaces,
    "pod-name": facts.pod_names,
    "container-name": facts.container_names,
    "workload": facts.workloads,
}
#: What rules can be about beside the executable: all that a process is, as texts.
FACTS: Final[Mapping[str, Callable[[int], frozenset[str]]]] = {
    "unit": facts.units,
    "container": facts.containers,
    "pod": facts.pods,
    "user": facts.users,
    "label": facts.labels,
    **NAMES,
}
EXE: Final = "exe"


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind ("exe" or one of FACTS) and a glob."""

    kind: str
    glob: str

    def matches(self, pid: int, path: str) -> bool:
        """Whether it is about a process that runs this executable. A process that is gone matches nothing but exe.

        Raises:
            UnavailableError: It is about a name that is not known now.
        """
        values = {path} if self.kind == EXE else FACTS[self.kind](pid)
        return any(fnmatch.fnmatchcase(value, self.glob) for value in values)


def parse_rules(key: str, texts: tuple[str, ...]) -> tuple[Rule, ...]:
    """Rules of "KIND:GLOB".

    Raises:
        UsageError: One has no such kind, or no glob. The message begins with the key.
    """
    rules = []
    for text in texts:
        kind, _, glob = text.partition(":")
        if kind not in (EXE, *FACTS) or not glob:
            raise UsageError(f"{key}: {text!r} is not KIND:GLOB; the kinds are {EXE}, {', '.join(FACTS)}")
        rules.append(Rule(kind, glob))
    return tuple(rules)


@dataclass(frozen=True, slots=True)
class Selection:
    """Globs of executable paths, and pids; with neither, every Go process is selected.

    A process is selected when its executable matches a glob or its pid is listed, some rule of `allow` matches (when
    there are any), and none of `deny` does.
    """

    exe: tuple[str, ...] = ()
    pids: frozenset[int] = frozenset()
    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()

    def by_file(self, path: str) -> bool:
        """Whether every process of a file is selected."""
        rules = (*self.allow, *self.deny)
        return self._named(path) and all(rule.kind == EXE for rule in rules) and self._ruled(0, path)

    def selects(self, pid: int, path: str) -> bool:
        """Whether a process is selected that runs this executable; not while a name is unknown that decides it."""
        try:
            return self._decided(pid, path)
        except UnavailableError:
            return False

    def waits(self, pid: int, path: str) -> bool:
        """Whether a name is unknown now that decides whether the process is selected."""
        if not any(rule.kind in NAMES for rule in (*self.allow, *self.deny)):
            return False
        try:
            self._decided(pid, path)
        except UnavailableError:
            return True
        return False

    @property
    def candidates(self) -> frozenset[int] | None:
        """The only processes that can be selected, whatever they run; None where it can be any."""
        return self.pids if self.pids and not self.exe else None

    def _decided(self, pid: int, path: str) -> bool:
        return (pid in self.pids or self._named(path)) and self._ruled(pid, path)

    def _named(self, path: str) -> bool:
        if not self.exe:
            return not self.pids
        return any(fnmatch.fnmatchcase(path, glob) for glob in self.exe)

    def _ruled(self, pid: int, path: str) -> bool:
        allowed = not self.allow or any(rule.matches(pid, path) for rule in self.allow)
        return allowed and not any(rule.matches(pid, path) for rule in self.deny)
