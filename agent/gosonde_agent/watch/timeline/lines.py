"""From changes of status to what each goroutine did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.golang.bounded import BoundedCache
from gosonde_agent.golang.wait_reasons import wait_reason
from gosonde_agent.sources.ebpf.timeline import Transitions
from gosonde_agent.sources.memory.goroutines import (
    DEAD,
    DEAD_EXTRA,
    IDLE,
    PREEMPTED,
    RUNNABLE,
    RUNNING,
    SYSCALL,
    WAITING,
)
from gosonde_agent.watch.timeline.values import Line, Span, Wake

NOBODY = (IDLE, DEAD, DEAD_EXTRA)
#: From this Go 1.x on, runtime.newproc1 gives a g its goid before its first status, and runtime.entersyscall and
#: exitsyscall change the status past runtime.casgstatus (src/runtime/proc.go).
GOID_FIRST = CALLS_UNSEEN = 26
STATES = {RUNNABLE: "runnable", RUNNING: "running", SYSCALL: "system call", PREEMPTED: "preempted"}
RUNNING_OR_CALL = "running or system call"
#: Lines of goroutines that did nothing in the window.
MOST_STILL = 10_000
#: Names that are remembered.
MOST_NAMES = 65_536


@dataclass(frozen=True, slots=True)
class Existing:
    """A goroutine as memory shows it; addresses are link-time ones."""

    status: int
    reason: int
    gopc: int
    start_pc: int
    parent: int


class _Change(NamedTuple):
    """A change of status, its addresses as they are in the process."""

    at: int
    g: int
    goid: int
    gopc: int
    start_pc: int
    parent: int
    thread: int
    was: int
    to: int
    reason: int


#: Fields of records.TRANSITION, in this order.
OF_A_CHANGE = ("at", "g", "goid", "gopc", "startpc", "parent", "thread", "from", "to", "reason")


@dataclass(slots=True)
class _Life:
    """A goroutine whose window goes on: in which state it is, and since when."""

    place: int
    status: int
    state: str
    since_ns: int
    thread: int = 0


class Lines:
    """Takes changes of one process in the order of their times, from `begin_ns` on.

    Attributes:
        lines: All goroutines so far.
        wakes: Who woke whom so far.
        unseen: How often a goroutine was found in another state than it was left in.
        left_out: Goroutines that did nothing and have no line.
    """

    def __init__(self, binary: GoBinary, bias: int, begin_ns: int) -> None:
        self.lines: list[Line] = []
        self.wakes: list[Wake] = []
        self.unseen = 0
        self.left_out = 0
        self._binary = binary
        self._bias = bias
        self._begin_ns = begin_ns
        self._minor = binary.version.minor
        self._lives: dict[int, _Life] = {}
        self._running: dict[int, int] = {}
        self._functions: BoundedCache[int, str] = BoundedCache(MOST_NAMES)

    def take(self, transitions: Transitions) -> None:
        """Takes them all."""
        for row in zip(*(transitions[name].tolist() for name in OF_A_CHANGE), strict=True):
            self._take(_Change(*row))

    def _take(self, change: _Change) -> None:
        if change.was == IDLE:  # the runtime makes the g itself: nobody runs in it yet
            return
        if change.was in NOBODY:
            line = self._begin(change)
        elif change.to in NOBODY:
            line = self._end(change)
        else:
            self._change(change)
            return
        self._name(line, change.gopc - self._bias, change.start_pc - self._bias, change.parent)

    def _begin(self, change: _Change) -> Line:
        if (left := self._lives.pop(change.g, None)) is not None:  # its end was lost
            self.unseen += 1
            self._leave(left, change.at)
        line = Line(change.goid if self._minor >= GOID_FIRST else 0, born_ns=change.at)
        self.lines.append(line)
        life = _Life(len(self.lines) - 1, self._class(change.to), "", change.at)
        self._enter(life, change)
        self._lives[change.g] = life
        self._wake(change, life.place, is_birth=True)
        return line

    def _change(self, change: _Change) -> None:
        life = self._found(change)
        self.lines[life.place].goid = change.goid
        if self._class(change.was) == self._class(change.to):
            return
        if change.was == WAITING and change.to == RUNNABLE:
            self._wake(change, life.place, is_birth=False)
        self._leave(life, change.at)
        if change.to == RUNNING:
            self._running[change.thread] = life.place
        elif change.was == RUNNING and change.to != SYSCALL and self._running.get(change.thread) == life.place:
            del self._running[change.thread]
        self._enter(life, change)

    def _enter(self, life: _Life, change: _Change) -> None:
        life.status, life.state = self._class(change.to), self._state(change.to, change.reason)
        life.since_ns, life.thread = change.at, change.thread

    def _end(self, change: _Change) -> Line:
        life = self._found(change)
        self._leave(life, change.at)
        line = self.lines[life.place]
        line.goid, line.ended_ns = change.goid, change.at
        self._running.pop(change.thread, None)
        del self._lives[change.g]
        return line

    def _found(self, change: _Change) -> _Life:
        """A goroutine that is in the state `was` now: also one that is seen for the first time."""
        life, status = self._lives.get(change.g), self._class(change.was)
        if life is None:
            self.lines.append(Line())
            state = self._state(change.was, change.reason)
            life = self._lives[change.g] = _Life(len(self.lines) - 1, status, state, self._begin_ns)
        elif life.status != status:
            # The time since it was seen last has two states, and nobody saw when one became the other.
            self.unseen += 1
            self.lines[life.place].unseen += 1
            life.state = f"{life.state}, then {self._state(change.was, change.reason)}"
        return life

    def _leave(self, life: _Life, at: int) -> None:
        if at > life.since_ns:
            self.lines[life.place].spans.append(Span(life.state, life.since_ns, at, life.thread))

    def _wake(self, change: _Change, woken: int, *, is_birth: bool) -> None:
        self.wakes.append(Wake(change.at, self._running.get(change.thread, -1), woken, is_birth))

    def _class(self, status: int) -> int:
        return RUNNING if status == SYSCALL and self._minor >= CALLS_UNSEEN else status

    def _state(self, status: int, reason: int) -> str:
        if status == WAITING:
            return f"waiting: {wait_reason(self._minor, reason)}"
        if status in (RUNNING, SYSCALL) and self._minor >= CALLS_UNSEEN:
            return RUNNING_OR_CALL
        return STATES.get(status, f"status {status}")

    def _name(self, line: Line, gopc: int, start_pc: int, parent: int) -> None:
        line.start_function = self._functions.get(start_pc, self._binary.start_function)
        line.created_by = self._binary.go_statement(gopc)
        line.parent = parent

    def finish(self, end_ns: int, before: Mapping[int, Existing], after: Mapping[int, Existing]) -> None:
        """Ends the window. Those that did nothing in it are those that were there before and after, by goid."""
        for life in self._lives.values():
            self._leave(life, end_ns)
        self._lives.clear()
        seen = {line.goid: line for line in self.lines}
        for goid, found in {**after, **before}.items():
            if goid in seen and not seen[goid].start_function:
                self._name(seen[goid], found.gopc, found.start_pc, found.parent)
        still = [(goid, after[goid]) for goid in before if goid in after and goid not in seen]
        self.left_out = len(still[MOST_STILL:])
        for goid, found in still[:MOST_STILL]:
            line = Line(goid, spans=[Span(self._state(found.status, found.reason), self._begin_ns, end_ns, 0)])
            self._name(line, found.gopc, found.start_pc, found.parent)
            self.lines.append(line)
