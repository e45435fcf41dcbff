"""What differs between Go versions, and the one place that says which versions are supported."""

import json
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from gosonde_agent.golang.buildinfo import GoVersion, parse_version
from gosonde_agent.model.errors import UnprovedProbePointError, UnsupportedBinaryError

#: Written by scripts/generate_layouts.py.
TABLE = Path(__file__).with_name("layouts.json")
SIZE = "__size"
#: How the constants begin that number the kinds of specials.
SPECIAL_KIND = "_KindSpecial"
#: The first version whose functions take their arguments in registers (cmd/compile/abi-internal.md), by architecture.
OLDEST_MINOR = {"amd64": 17, "arm64": 18}
#: g.startpc lies two words behind g.gopc (gopc, ancestors, startpc) in every version.
STARTPC_BEHIND = 16

Fields = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the runtime of one Go version keeps what, on one architecture.

    Attributes:
        source: What the offsets were taken from: a release in the table, "DWARF", or "code".
        structures: By structure of package runtime (g, gobuf, m, p, schedt, mstats, gcControllerState, workType,
            moduledata, ...) and field ("sched.sp" for one in a structure in a structure) the offset in bytes.
        func_ids: runtime.funcID by name: wrapper, gopanic, sigpanic, panicwrap, ...
        exit_function: Where every goroutine's end passes with its g as the first argument.
        has_stop_reason: runtime.stopTheWorldWithSema's first argument is a stwReason.
        callerpc: Which argument of runtime.newproc1 becomes gopc, counted from 0.
        special_kinds: special.kind by what follows SPECIAL_KIND in its name; empty where it is not known.
    """

    source: str
    structures: Mapping[str, Fields]
    func_ids: Mapping[str, int]
    exit_function: str
    has_stop_reason: bool
    callerpc: int
    special_kinds: Mapping[str, int] = field(default_factory=dict)

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
            raise UnsupportedBinaryError(f"the offset of {structure}.{field} is not known ({self.source})") from None

    def size(self, structure: str) -> int:
        """Size of a structure in bytes.

        Raises:
            UnsupportedBinaryError: It is not known.
        """
        return self.offset(structure, SIZE)

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


#: Fields that lie behind what experiments resize, and are not proved where they are read.
MOVED_BY_EXPERIMENTS = {
    "p": frozenset({"goroutinesCreated", "wbBuf"}),
    "gcWork": frozenset({SIZE}),
    "notifyList": frozenset({"head", "tail"}),
}


def _without(structures: Mapping[str, Fields], fields: Mapping[str, Set[str]]) -> Mapping[str, Fields]:
    return {
        structure: {name: offset for name, offset in known.items() if name not in fields.get(structure, ())}
        for structure, known in structures.items()
    }


def _table() -> dict[str, Any]:
    """All of it: a megabyte, of which a program needs one column, so that it is not kept."""
    table: dict[str, Any] = json.loads(TABLE.read_text())
    return table


@cache
def releases() -> tuple[GoVersion, ...]:
    """The releases that the table has a column for, oldest first."""
    return tuple(parse_version(f"go{release}") for release in _table()["releases"])


def layout_of(
    version: GoVersion,
    architecture: str = "amd64",
    own: Callable[[], Mapping[str, Fields]] = dict,
    *,
    experimental: bool = False,
) -> Layout:
    """The layout of a Go version; `proved` holds it against the program's code.

    A release that the table does not have, or not whole, is laid out as the program itself says. Where it says nothing,
    one that is newer than all has no known fields, and another gets what its neighbours in the table agree on.

    Args:
        own: Reads the structures from the program's DWARF; empty when it carries none.
        experimental: It was built with other experiments (GOEXPERIMENT) than the table's: they move fields.

    Raises:
        UnsupportedBinaryError: The version is too old. The message names those that are supported.
    """
    if version.minor < OLDEST_MINOR[architecture]:
        raise UnsupportedBinaryError(
            f"{version} is not supported on {architecture} ({_supported()}): rebuild it with a newer Go"
        )
    low, high = _neighbours(version)
    named = _merged(version, architecture, low, high)
    if _is_newer(version):
        named = replace(named, special_kinds={})
    is_whole = releases()[low] == version and named.has("g", SIZE) and not experimental
    structures: Mapping[str, Fields] = {} if is_whole else own()
    if "gopc" in structures.get("g", {}):
        return replace(named, source="DWARF", structures=structures)
    if _is_newer(version):
        return replace(named, source=_newer(version), structures={})
    return replace(named, structures=_without(named.structures, MOVED_BY_EXPERIMENTS)) if experimental else named


def proved(layout: Layout, version: GoVersion, shown: int | None) -> Layout:
    """The layout, when the code of the program, which keeps g.gopc at the offset `shown`, agrees with it.

    Raises:
        UnsupportedBinaryError: It does not, or the version is too new and nothing proves its layout.
        UnprovedProbePointError: The code does not show where it keeps a goroutine's creation address.
    """
    if layout.has("g", "gopc"):
        if shown is None:
            raise UnprovedProbePointError(
                f"the code of runtime.newproc1 does not show where it keeps a goroutine's creation address ({version})"
            )
        if shown != layout.gopc:
            raise UnsupportedBinaryError(
                f"its code keeps g.gopc at offset {shown}, but {layout.source} has it at {layout.gopc}: "
                "it was not built by the Go version that it names"
            )
        return layout
    if shown is None:
        raise UnsupportedBinaryError(
            f"{_newer(version)}, and neither DWARF nor the code of the program proves its layout: update gosonde, or "
            "build the program without -ldflags=-s and -w"
        )
    fields = {"gopc": shown, "startpc": shown + STARTPC_BEHIND}
    return replace(layout, source="code", structures={"g": fields})


def _newer(version: GoVersion) -> str:
    return f"{version} is newer than this gosonde supports ({_supported()})"


def _supported() -> str:
    return "supported: " + ", ".join(f"1.{minor}" for minor in sorted({release.minor for release in releases()}))


def _is_newer(version: GoVersion) -> bool:
    return version.minor > releases()[-1].minor


@cache
def offsets_in_any_release(structure: str, field: str) -> frozenset[int]:
    """Where a field lies in the releases of the table, on amd64."""
    return frozenset(at for at in _table()["structures"]["amd64"][structure][field] if at is not None)


@cache
def structure_names() -> tuple[str, ...]:
    """The structures that the table has."""
    return tuple(_table()["structures"]["amd64"])


def _neighbours(version: GoVersion) -> tuple[int, int]:
    """Columns of the releases of a minor version that a version lies between; twice the same one at an end."""
    known = [index for index, release in enumerate(releases()) if release.minor == version.minor]
    known = known or [len(releases()) - 1]
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
        callerpc=4 if version.minor <= 17 else 2,
        special_kinds={name: kinds[low] for name, kinds in table["special_kinds"].items() if kinds[low] is not None},
    )


def stop_reason(code: int) -> str:
    """runtime.stwReason.String."""
    return STOP_REASONS[code] if code < len(STOP_REASONS) else f"stop reason {code}"
