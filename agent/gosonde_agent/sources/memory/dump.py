"""Goroutines as people know them: with names for states, wait reasons, functions, files and lines."""

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from gosonde_common.values.goroutines import Goroutine, Location, statement

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


class Describer:
    """Names what blocks hold, for processes of one binary that were read at `now_ns` (CLOCK_MONOTONIC)."""

    def __init__(self, pclntab: Pclntab, wait_reasons: tuple[str, ...]) -> None:
        self._pclntab = pclntab
        self._targets = WaitTargets(pclntab)
        self._waits: BoundedCache[bytes, str] = BoundedCache(MAX_KEPT_FRAMES)
        self._wait_reasons = wait_reasons
        self._stacks: BoundedCache[bytes, tuple[Location, ...]] = BoundedCache(MAX_KEPT_FRAMES, lambda s: 8 + len(s))
        self._places: BoundedCache[int, Location] = BoundedCache(MAX_KEPT_FRAMES)
        self._functions: BoundedCache[int, str] = BoundedCache(MAX_KEPT_FRAMES)

    def goroutines(self, block: Block) -> Iterator[Goroutine]:
        """Each goroutine of a block."""
        now = time.monotonic_ns()
        columns = (
            block.goid.tolist(),
            block.status.tolist(),
            block.wait_reason.tolist(),
            block.wait_since.tolist(),
            block.gopc.tolist(),
            block.start_pc.tolist(),
            block.parent.tolist(),
            block.thread.tolist(),
            block.locked.tolist(),
            block.running_cleanups.tolist(),
            block.active.tolist(),
            block.complete.tolist(),
            block.stack_bytes.tolist(),
            block.stacks,
        )
        for (
            goid,
            code,
            reason,
            since,
            gopc,
            start,
            parent,
            thread,
            locked,
            cleaning,
            active,
            complete,
            size,
            row,
        ) in zip(*columns, strict=True):
            waits = code in (WAITING, LEAKED)
            wait_reason = self.wait_reason(reason) if waits else ""
            pcs = row.tobytes()
            start_function = self._functions.get(start, self._function)
            yield Goroutine(
                goid=goid,
                status=STATES[code],
                wait_reason=wait_reason,
                wait_ns=now - since if (waits or code == SYSCALL) and 0 < since <= now else None,
                created_by=self._places.get(gopc, self._place),
                start_function=start_function,
                parent_goid=parent,
                thread_id=thread,
                locked=locked,
                system=is_system(start_function, wait_reason, running_cleanups=cleaning),
                active=active,
                complete=complete,
                stack=self._stacks.get(pcs, self._stack),
                waits_for=self._waits_for(wait_reason, pcs, gopc, start_function),
                stack_bytes=size,
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
        for pc in pcs[pcs != 0].tolist():
            if not self._functions.get(pc, self._function).startswith("runtime."):
                return int(pc)
        return 0

    def _stack(self, row: bytes) -> tuple[Location, ...]:
        frames: list[Location] = []
        callee = 0
        pcs: npt.NDArray[np.uint64] = np.frombuffer(row, np.uint64)
        try:
            for pc in pcs[pcs != 0].tolist():
                frames += self._pclntab.frames_of(pc, callee)
                details = self._pclntab.details_of(pc)
                callee = details.func_id if details is not None else 0
        except MalformedBinaryError:
            return tuple(frames)
        return tuple(frames[:-1] if frames and frames[-1].function == "runtime.goexit" else frames)


def is_system(start_function: str, wait_reason: str, *, running_cleanups: bool) -> bool:
    """runtime.isSystemGoroutine: the finalizer and cleanup goroutines are the program's while they run its code."""
    if start_function in FINALIZERS:
        return wait_reason == "finalizer wait"
    if start_function == CLEANUPS:
        return not running_cleanups
    return start_function.startswith("runtime.") and start_function not in USER_STARTS
