"""What changes from one observation to the next of what is probed, and an observation with all that was noted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gosonde_common.foreign import bounded
from gosonde_common.values.audit import MAX_EXE, Act, Actor, AuditEvent
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import Observation, Process, ProcessKey

from gosonde_agent.model.trail import Trail


@dataclass(frozen=True, slots=True)
class _Seen:
    """How a process was observed last; `at_unix_nano` is that of its newest step."""

    level: Level
    at_unix_nano: int


class Audit:
    """Compares the processes of each observation with those of the one before."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._seen: dict[ProcessKey, _Seen] = {}
        self._over: frozenset[ProcessKey] = frozenset()

    def added_to(self, observation: Observation) -> Observation:
        """The observation with what was noted since the one before.

        Processes that are sums of many have no events: each ended before anybody could know of it.
        """
        processes = {process.key: process for process in observation.processes if not process.sums}
        for process in processes.values():
            if process.key not in self._over:
                self._compare(process)
        self._over = frozenset(key for key, process in processes.items() if _is_over(process))
        for key in self._seen.keys() - processes.keys():
            self._end(key, "no longer observed")
        exes = {process.key.pid: process.exe for process in processes.values()}
        return replace(observation, audit=tuple(_named(event, exes) for event in self._trail.take()))

    def _compare(self, process: Process) -> None:
        before = self._seen.get(process.key)
        if before is None and (process.refusal or not process.counted_since_unix_nano):
            return  # it never was watched
        if before is None:
            self._began(process)
        else:
            self._stepped(process, before)
        if _is_over(process):
            self._end(process.key, process.refusal or "the process has ended", process.ended_unix_nano)
        else:
            self._seen[process.key] = _Seen(process.level, _newest(process))

    def _began(self, process: Process) -> None:
        pid, at_unix_nano = process.key.pid, process.counted_since_unix_nano
        detail = f"level {process.level}"
        self._trail.note(Act.WATCH_BEGAN, Actor.AGENT, pid=pid, detail=detail, at_unix_nano=at_unix_nano)

    def _stepped(self, process: Process, before: _Seen) -> None:
        level = before.level
        for step in process.steps:
            if step.at_unix_nano > before.at_unix_nano:
                detail, level = f"{level} -> {step.level}: {step.reason}", step.level
                self._trail.note(
                    *(Act.LEVEL_CHANGED, Actor.AGENT),
                    pid=process.key.pid,
                    detail=detail,
                    at_unix_nano=step.at_unix_nano,
                )

    def _end(self, key: ProcessKey, because: str, at_unix_nano: int = 0) -> None:
        self._seen.pop(key, None)
        self._trail.note(Act.WATCH_ENDED, Actor.AGENT, pid=key.pid, detail=because, at_unix_nano=at_unix_nano)


def _is_over(process: Process) -> bool:
    return bool(process.ended_unix_nano or process.refusal)


def _newest(process: Process) -> int:
    return process.steps[-1].at_unix_nano if process.steps else 0


def _named(event: AuditEvent, exes: Mapping[int, str]) -> AuditEvent:
    return replace(event, exe=bounded(exes.get(event.pid, ""), MAX_EXE))
