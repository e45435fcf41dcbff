"""What differs between Go versions, and the one place that says which versions are supported."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from gosonde_agent.errors import UnsupportedBinaryError
from gosonde_agent.golang.buildinfo import GoVersion, parse_version

#: Written by scripts/generate_layouts.py.
TABLE = Path(__file__).with_name("layouts.json")
SIZE = "__size"

Fields = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the runtime of one Go version keeps what, on one architecture.

    Attributes:
        source: What the offsets were taken from: a toolchain's release, or "DWARF".
        structures: By structure of package runtime (g, gobuf, m, p, schedt, mstats, gcControllerState, workType,
            moduledata, ...) and field ("sched.sp" for one in a structure in a structure) the offset in bytes.
        func_ids: runtime.funcID by name: wrapper, gopanic, sigpanic, panicwrap, ...
        exit_function: Where every goroutine's end passes with its g as the first argument.
        has_stop_reason: runtime.stopTheWorldWithSema's first argument is a stwReason.
    """

    source: str
    structures: Mapping[str, Fields]
    func_ids: Mapping[str, int]
    exit_function: str
    has_stop_reason: bool

    def fields(self, structure: str) -> Fields:
        """Offsets by field; empty for a structure that is not known. "__size" is the size."""
        return self.structures.get(structure, {})

    def has(self, structure: str, field: str) -> bool:
        """Whether the structure is known to have a field."""
        return field in self.fields(structure)

    def offset(self, structure: str, field: str) -> int:
        """Offset of a field in bytes.

        Raises:
            UnsupportedBinaryError: It is not known.
        """
        try:
            return self.structures[structure][field]
        except KeyError:
            raise UnsupportedBinaryError(f"where {structure}.{field} lies is not known ({self.source})") from None

    def size(self, structure: str) -> int:
        """Size of a structure in bytes.

        Raises:
            UnsupportedBinaryError: It is not known.
        """
        return self.offset(structure, SIZE)

    def with_gopc(self, offset: int) -> "Layout":
        """The same layout with g.gopc, and g.startpc two words behind it, as the program's code shows them."""
        known = dict(self.structures) | {"g": dict(self.fields("g")) | {"gopc": offset, "startpc": offset + 16}}
        return replace(self, source=f"{self.source} and code" if self.structures else "code", structures=known)

    @property
    def gopc(self) -> int:
        """Offset of gopc in runtime.g."""
        return self.offset("g", "gopc")


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


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(TABLE.read_text())
    return table


@cache
def releases() -> tuple[GoVersion, ...]:
    """The releases that the table has a column for, oldest first."""
    return tuple(parse_version(f"go{release}") for release in _table()["releases"])


def layout_of(version: GoVersion, architecture: str = "amd64") -> Layout:
    """The layout of a Go version.

    A release between two that the table has gets what both agree on.

    Raises:
        UnsupportedBinaryError: The version is not supported. The message names those that are.
    """
    known = [index for index, release in enumerate(releases()) if release.minor == version.minor]
    if known:
        return _merged(version, architecture, *_neighbours(version, known))
    if is_newer(version):
        raise UnsupportedBinaryError(newer_is_refused(version))
    raise UnsupportedBinaryError(f"{version} is not supported ({_supported()}): rebuild it with a newer Go")


def newer_is_refused(version: GoVersion) -> str:
    """What is told of a version that is too new, when nothing in the binary proves its layout."""
    return (
        f"{version} is newer than this gosonde knows ({_supported()}), and neither DWARF nor the code of the program "
        "prove its layout: update gosonde, or build the program without -ldflags=-s and -w"
    )


def _supported() -> str:
    return "supported: " + ", ".join(f"1.{minor}" for minor in sorted({release.minor for release in releases()}))


def is_newer(version: GoVersion) -> bool:
    """Whether a version is newer than all that the table has."""
    return version.minor > max(release.minor for release in releases())


def layout_from(structures: Mapping[str, Fields], architecture: str) -> Layout:
    """The layout of a version that is newer than the table, from its own DWARF; the rest is as in the newest known."""
    newest = layout_of(releases()[-1], architecture)
    return Layout("DWARF", structures, newest.func_ids, newest.exit_function, newest.has_stop_reason)


def structure_names() -> tuple[str, ...]:
    """The structures that the table has."""
    return tuple(_table()["structures"]["amd64"])


def _neighbours(version: GoVersion, known: list[int]) -> tuple[int, int]:
    """Columns of the releases of one minor version that a version lies between; twice the same one at an end."""
    before = [index for index in known if releases()[index] <= version]
    after = [index for index in known if releases()[index] >= version]
    low = before[-1] if before else after[0]
    high = after[0] if after else before[-1]
    return low, high


@cache
def _merged(version: GoVersion, architecture: str, low: int, high: int) -> Layout:
    table = _table()
    columns = {
        structure: {
            field: offsets[low]
            for field, offsets in fields.items()
            if offsets[low] is not None and offsets[low] == offsets[high]
        }
        for structure, fields in table["structures"][architecture].items()
    }
    return Layout(
        source=" and ".join(dict.fromkeys((f"go{table['releases'][low]}", f"go{table['releases'][high]}"))),
        structures={name: fields for name, fields in columns.items() if fields},
        func_ids={name: ids[low] for name, ids in table["func_ids"].items() if ids[low] is not None},
        exit_function="runtime.gdestroy" if version.minor >= 22 else "runtime.goexit0",
        has_stop_reason=version.minor >= 21,
    )


def stop_reason(code: int) -> str:
    """runtime.stwReason.String."""
    return STOP_REASONS[code] if code < len(STOP_REASONS) else f"stop reason {code}"
