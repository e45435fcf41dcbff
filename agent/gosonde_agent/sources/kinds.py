"""The kinds of sources: what each sees of a process, what it takes, and what it cannot do."""

from dataclasses import dataclass
from typing import Final

from gosonde_common.values.levels import Level

from gosonde_agent.sources.hit_costs import HitCosts

#: What sources without probes for it do not see.
NO_STOPS = "GC cycles and stop-the-world pauses"
NO_PARKS = "how often goroutines park"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of source.

    Attributes:
        name: As `--source` and the JSON documents have it.
        title: What it is, for people.
        price: What it takes of the process, for people.
        cannot: What others see and this one does not, for people; nothing where it sees everything.
        level: The highest at which it watches.
        sees_stops: Whether it counts GC cycles and stop-the-world pauses.
        watches_files: Whether it counts all processes of a file, from their first instruction on.
        counts_held: Whether it counts a process from its first instruction on that stands before it.
        hit_costs: What a hit of it takes on another machine; docs/performance.md says how it was measured.
        danger: What can happen to the process, for people, who must ask for it by name; empty where nothing can.
    """

    name: str
    title: str
    price: str
    cannot: tuple[str, ...]
    level: Level
    sees_stops: bool
    watches_files: bool
    hit_costs: HitCosts
    danger: str = ""
    counts_held: bool = False


EBPF: Final = Kind(
    "ebpf",
    "eBPF programs at uprobes",
    "1 to 2 µs of the process's CPU time for each creation and each exit",
    (),
    Level.FULL,
    sees_stops=True,
    watches_files=True,
    hit_costs=HitCosts(),
)
PERF_BREAKPOINTS: Final = Kind(
    "perf-breakpoints",
    "hardware breakpoints of perf events",
    "about 15 µs of the process's CPU time for each creation and each exit in a virtual machine",
    (NO_STOPS, NO_PARKS),
    Level.FULL,
    sees_stops=False,
    watches_files=False,
    hit_costs=HitCosts(15_000.0, 15_000.0, 0.0),
    counts_held=True,
)
PERF_UPROBES: Final = Kind(
    "perf-uprobes",
    "uprobes of perf events",
    "about 15 µs of CPU time for each creation and each exit in a virtual machine, also in other processes that run "
    "the same file",
    (NO_STOPS, NO_PARKS),
    Level.FULL,
    sees_stops=False,
    watches_files=False,
    # The mean of the two: a creation is single-stepped, and most exits are not.
    hit_costs=HitCosts(15_000.0, 15_000.0, 0.0),
    counts_held=True,
)
MEMORY: Final = Kind(
    "memory",
    "readings of the process's memory",
    "no CPU time of the process",
    (
        "which go statement created a goroutine that started and ended between two readings, 2 seconds or more apart",
        NO_STOPS,
        NO_PARKS,
    ),
    Level.MEMORY,
    sees_stops=False,
    watches_files=False,
    hit_costs=HitCosts(0.0, 0.0, 0.0),
)
#: Threads stand for that long at a hit.
_AT_A_HIT = HitCosts(25_000.0, 25_000.0, 2_000.0)
_DANGER = (
    "breakpoints are written into the program's text: if this command is killed with -9 at the wrong moment, "
    "the program may die with it"
)
PTRACE_WINDOWS: Final = Kind(
    "ptrace",
    "breakpoints by ptrace, in windows of 5 to 50 ms",
    "some 25 µs for each creation and each exit in a window",
    ("goroutines that started and ended between windows, except as an estimate", NO_STOPS, NO_PARKS),
    Level.SAMPLED,
    sees_stops=False,
    watches_files=False,
    hit_costs=_AT_A_HIT,
    danger=_DANGER,
)
PTRACE: Final = Kind(
    "ptrace",
    "breakpoints by ptrace",
    "about 25 µs for each creation and each exit",
    (NO_STOPS, NO_PARKS),
    Level.FULL,
    sees_stops=False,
    watches_files=False,
    hit_costs=_AT_A_HIT,
    danger=_DANGER,
)
