"""Goroutines as people know them: with names for states, wait reasons, functions, files and lines."""

import time
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from gosonde_common.values.goroutines import MEMORY, Goroutine, GoroutineColumns, Kind, Location, statement

from gosonde_agent.golang.bounded import BoundedCache
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.wait_targets import WaitTargets
from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory.goroutines import (
    LEAKED,
    SYSCALL,
    WAITING,
    Block,
)
from gosonde_agent.sources.memory.kinds import KindKey, kinds_of

#: runtime.gStatusStrings, by runtime.g.atomicstatus.
STATES = (
    "idle",
    "runnable",
    "running",
    "syscall",
    "waiting",
    "moribund",
    "dead",
    "enqueue",
    "copystack",
    "preempted",
    "leaked",
    "dead extra",
)
#: The runtime notes since when.
NOTED = (WAITING, LEAKED, SYSCALL)
NOWHERE = Location("", "", 0)
#: Wait reasons of goroutines that wait to receive.
RECEIVE = "chan receive"
ON_CHANNELS = frozenset({RECEIVE, "select"})
#: Frames of different stacks that are remembered.
MAX_KEPT_FRAMES = 200_000

#: Goroutines of the runtime that are the program's: see runtime.isSystemGoroutine.
USER_STARTS = frozenset({"runtime.main", "runtime.corostart", "runtime.handleAsyncEvent"})
FINALIZERS = frozenset({"runtime.runfinq", "runtime.runFinalizers"})
CLEANUPS = "runtime.runCleanups"

#: Calls, innermost first, and a func_id.
Frames = tuple[tuple[Location, ...], int]


class Describer:
    """Names what blocks hold, for processes of one binary that were read at `now_ns` (CLOCK_MONOTONIC)."""

    def __init__(self, pclntab: Pclntab, wait_reasons: tuple[str, ...]) -> None:
        self._pclntab = pclntab
        self._targets = WaitTargets(pclntab)
        self._waits: BoundedCache[bytes, str] = BoundedCache(MAX_KEPT_FRAMES)
        self._wait_reasons = wait_reasons
        self._kinds: BoundedCache[KindKey, Kind] = BoundedCache(MAX_KEPT_FRAMES, lambda kind: 8 + len(kind.stack))
        self._stacks: BoundedCache[bytes, tuple[Location, ...]] = BoundedCache(MAX_KEPT_FRAMES, lambda s: 8 + len(s))
        self._frames: BoundedCache[tuple[int, int], Frames] = BoundedCache(MAX_KEPT_FRAMES, lambda f: 1 + len(f[0]))
        self._places: BoundedCache[int, Location] = BoundedCache(MAX_KEPT_FRAMES)
        self._functions: BoundedCache[int, str] = BoundedCache(MAX_KEPT_FRAMES)

    def columns(self, block: Block) -> GoroutineColumns:
        """All goroutines of a block, those of one kind described once."""
        keys, places = kinds_of(block)
        return self._columns(block, keys, places)

    def goroutines(self, block: Block) -> Iterator[Goroutine]:
        """Each goroutine of a block."""
        keys, places = kinds_of(block)
        columns = self._columns(block, keys, places)
        kind_at = dict(zip(places, columns.kinds, strict=True))
        waits_for = {
            place: self._waits_for(kind.wait_reason, keys[place].pcs, keys[place].gopc, kind.start_function)
            for place, kind in kind_at.items()
        }
        for place, kind, goid, wait_ns, parent, thread, locked, size, labels in zip(
            places,
            columns.kinds,
            columns.goids,
            columns.waits_ns,
            columns.parent_goids,
            columns.thread_ids,
            columns.locked,
            block.stack_bytes.tolist(),
            block.labels,
            strict=True,
        ):
            yield Goroutine(
                goid=goid,
                status=kind.status,
                wait_reason=kind.wait_reason,
                wait_ns=wait_ns,
                created_by=kind.created_by,
                start_function=kind.start_function,
                parent_goid=parent,
                thread_id=thread,
                locked=locked,
                system=kind.system,
                active=kind.active,
                complete=kind.complete,
                stack=kind.stack,
                waits_for=waits_for[place],
                stack_bytes=size,
                stack_from=kind.stack_from,
                labels=labels,
                unread=kind.unread,
            )

    def _columns(self, block: Block, keys: Sequence[KindKey], places: Sequence[int]) -> GoroutineColumns:
        kinds = [self._kinds.get(key, self._kind) for key in keys]
        now = time.monotonic_ns()
        noted = np.isin(block.status, NOTED) & (block.wait_since > 0) & (block.wait_since <= now)
        waits = np.where(noted, now - block.wait_since, -1).tolist()
        return GoroutineColumns(
            kinds=[kinds[place] for place in places],
            goids=block.goid.tolist(),
            waits_ns=[wait if wait >= 0 else None for wait in waits],
            parent_goids=block.parent.tolist(),
            thread_ids=block.thread.tolist(),
            locked=block.locked.tolist(),
            labels=block.labels,
        )

    def _kind(self, key: KindKey) -> Kind:
        wait_reason = self.wait_reason(key.wait_reason) if key.status in (WAITING, LEAKED) else ""
        start_function = self._functions.get(key.start_pc, self._function)
        stack = self._stacks.get(key.pcs, self._stack)
        return Kind(
            status=STATES[key.status],
            wait_reason=wait_reason,
            created_by=self._places.get(key.gopc, self._place),
            start_function=start_function,
            system=is_system(start_function, wait_reason, running_cleanups=key.running_cleanups),
            active=key.active,
            complete=key.complete,
            stack=stack,
            stack_from=MEMORY if stack else "",
            unread=key.unread,
        )

    def wait_reason(self, code: int) -> str:
        """The name of a wait reason."""
        return self._wait_reasons[code] if code < len(self._wait_reasons) else f"wait reason {code}"

    def _place(self, gopc: int) -> Location:
        try:
            return statement(self._pclntab.location_of(gopc - 1) or NOWHERE) if gopc else NOWHERE
        except MalformedBinaryError:
            return NOWHERE

    def _function(self, pc: int) -> str:
        try:
            function = self._pclntab.function_of(pc)
        except MalformedBinaryError:
            return ""
        return function.name if function is not None else ""

    def _waits_for(self, wait_reason: str, row: bytes, gopc: int, start_function: str) -> str:
        if wait_reason not in ON_CHANNELS:
            return ""
        reported = self._waits.get(row, self._inferred_by)
        if reported or wait_reason != RECEIVE or self._waiting(row) != start_function:
            return reported
        return self._targets.made_by(gopc, start_function)

    def _inferred_by(self, row: bytes) -> str:
        """What the code shows about the innermost function that is not the runtime's."""
        return self._targets.of(pc) if (pc := self._innermost(row)) else ""

    def _waiting(self, row: bytes) -> str:
        return self._functions.get(pc, self._function) if (pc := self._innermost(row)) else ""

    def _innermost(self, row: bytes) -> int:
        """Where the innermost function waits that is not the runtime's; 0 without one."""
        pcs: npt.NDArray[np.uint64] = np.frombuffer(row, np.uint64)
        for pc in pcs.tolist():
            if not self._functions.get(pc, self._function).startswith("runtime."):
                return int(pc)
        return 0

    def _stack(self, row: bytes) -> tuple[Location, ...]:
        frames: list[Location] = []
        callee = 0
        pcs: npt.NDArray[np.uint64] = np.frombuffer(row, np.uint64)
        try:
            for pc in pcs.tolist():
                calls, callee = self._frames.get((pc, callee), self._calls)
                frames += calls
        except MalformedBinaryError:
            return tuple(frames)
        return tuple(frames[:-1] if frames and frames[-1].function == "runtime.goexit" else frames)

    def _calls(self, place: tuple[int, int]) -> Frames:
        """The calls at an address that calls a function of that func_id, and the func_id of what makes them."""
        pc, callee = place
        frames, details = self._pclntab.frames_of(pc, callee), self._pclntab.details_of(pc)
        return frames, details.func_id if details is not None else 0


def is_system(start_function: str, wait_reason: str, *, running_cleanups: bool) -> bool:
    """runtime.isSystemGoroutine: the finalizer and cleanup goroutines are the program's while they run its code."""
    if start_function in FINALIZERS:
        return wait_reason == "finalizer wait"
    if start_function == CLEANUPS:
        return not running_cleanups
    return start_function.startswith("runtime.") and start_function not in USER_STARTS
