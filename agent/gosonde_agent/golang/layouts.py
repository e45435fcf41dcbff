"""What differs between Go versions, and the one place that says which versions are supported."""

from collections.abc import Mapping
from dataclasses import dataclass

from gosonde_agent.errors import UnsupportedBinaryError
from gosonde_agent.golang.buildinfo import GoVersion


@dataclass(frozen=True, slots=True)
class Layout:
    """What the probes need to know of one Go version, on amd64.

    Attributes:
        gopc: Offset of gopc in runtime.g, bytes.
        exit_function: Where every goroutine's end passes with its g as the first argument.
        has_stop_reason: runtime.stopTheWorldWithSema's first argument is a stwReason.
    """

    gopc: int
    exit_function: str
    has_stop_reason: bool


#: By minor version. Taken from each toolchain's DWARF and source (runtime/runtime2.go, runtime/proc.go).
LAYOUTS: Mapping[int, Layout] = {
    19: Layout(gopc=296, exit_function="runtime.goexit0", has_stop_reason=False),
    21: Layout(gopc=280, exit_function="runtime.goexit0", has_stop_reason=True),
    22: Layout(gopc=280, exit_function="runtime.gdestroy", has_stop_reason=True),
    23: Layout(gopc=288, exit_function="runtime.gdestroy", has_stop_reason=True),
    24: Layout(gopc=288, exit_function="runtime.gdestroy", has_stop_reason=True),
    25: Layout(gopc=280, exit_function="runtime.gdestroy", has_stop_reason=True),
    26: Layout(gopc=288, exit_function="runtime.gdestroy", has_stop_reason=True),
    27: Layout(gopc=288, exit_function="runtime.gdestroy", has_stop_reason=True),
}

#: runtime.stwReasonStrings, Go 1.21 and newer: the runtime appends to it and never renumbers.
STOP_REASONS = (
    "unknown",
    "GC mark termination",
    "GC sweep termination",
    "write heap dump",
    "goroutine profile",
    "goroutine profile cleanup",
    "all goroutines stack trace",
    "read mem stats",
    "AllThreadsSyscall",
    "GOMAXPROCS",
    "start trace",
    "stop trace",
    "CountPagesInUse (test)",
    "ReadMetricsSlow (test)",
    "ReadMemStatsSlow (test)",
    "PageCachePagesLeaked (test)",
    "ResetDebugLog (test)",
)

#: Those that MemStats.PauseTotalNs counts.
GC_STOP_REASONS = frozenset({"GC mark termination", "GC sweep termination"})


def layout_of(version: GoVersion) -> Layout:
    """The layout of a Go version.

    Raises:
        UnsupportedBinaryError: The version is not supported. The message names those that are.
    """
    layout = LAYOUTS.get(version.minor)
    if layout is not None:
        return layout
    supported = ", ".join(f"1.{minor}" for minor in LAYOUTS)
    if version.minor > max(LAYOUTS):
        raise UnsupportedBinaryError(
            f"{version} is newer than this gosonde knows (supported: {supported}): update gosonde"
        )
    raise UnsupportedBinaryError(f"{version} is not supported (supported: {supported}): rebuild it with a newer Go")


def stop_reason(code: int) -> str:
    """runtime.stwReason.String."""
    return STOP_REASONS[code] if code < len(STOP_REASONS) else f"stop reason {code}"
