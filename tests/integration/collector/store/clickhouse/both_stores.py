"""The same said to two stores, and the same asked of both."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
from gosonde_collector.evidence.context import ContentionProfile, ContentionSample, HeapProfile, HeapSample
from gosonde_collector.evidence.escapes.model import VARIABLE, Escapes, Function, Value
from gosonde_collector.evidence.model import BLOCK, Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.values import Batch, Process, ProcessFilter, ProcessKey, Site, Stream
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import FindingRecord, Mute, Reported
from gosonde_common.values.containers import Container
from gosonde_common.values.runtime import RuntimeFigures

from tests.unit.collector.batches import SECOND, START, act, batch, process

HOUR = 3_600 * SECOND
PCS = tuple(range(0x1000, 0x1008))
HOSTS = ("web-1", "web-2", "db-1")
LINE = 7
NAMED = [Site(f"build-{build}", pc, f"main.f{pc}", "main.go", LINE, "main.g") for build in (0, 1) for pc in PCS]
Answers = dict[str, Any]


def streams() -> list[Stream]:
    """Two runs of an agent on each host; of one host the first run sends on when the second has begun."""
    first = [Stream(f"agent-{host}", "epoch-1", host, "1", 1) for host in HOSTS]
    return [*first, *(replace(stream, agent_epoch="epoch-2", agent_run=2) for stream in first)]


def processes_of(stream: Stream, rng: np.random.Generator) -> list[Process]:
    container = Container("c" * 64, "", "shop", "checkout-1", "server", "checkout")
    keys = [ProcessKey("boot", pid, 9 * pid, 0) for pid in range(1, 5)]
    found = [process(key, build_id=f"build-{key.pid % 2}", started_unix_nano=START - key.pid) for key in keys]
    found[1] = replace(found[1], container=container)
    if rng.random() < 0.3:
        found[3] = replace(found[3], ended_unix_nano=START + 5 * SECOND)
    return found[: 2 + len(stream.host) % 3]


def batches_of(stream: Stream, count: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Totals that rise, some of them, and all else that a batch may have."""
    totals = rng.integers(0, 100, (4, len(PCS)))
    for sequence in range(1, count + 1):
        processes = processes_of(stream, rng)
        totals = totals + rng.integers(0, 5, totals.shape)
        places = range(len(processes))
        sites = [(place, number) for place in places for number in range(len(PCS)) if rng.random() < 0.4]
        cycles = [(place, sequence, START + sequence * SECOND, START + sequence * SECOND + 500) for place in places]
        yield batch(
            sequence,
            stream=stream,
            processes=processes,
            sites=NAMED,
            counters=[(place, PCS[n], int(totals[place, n]), int(totals[place, n]) // 3) for place, n in sites],
            baseline=sequence % 5,
            mismatch=sequence % 3,
            parks=[(place, why, 1, 10 * sequence, 3, 99, 3, 7, 8) for place in places for why in ("select", "sleep")],
            pauses=[(place, 2 * sequence, START + sequence * SECOND + 490, 10_000 * sequence, "") for place in places],
            cycles=cycles,
            heaps=[(sequence, 2, 3, 4, 0 if rng.random() < 0.5 else sequence + 9) for _ in cycles],
            totals=[(place, sequence, 2 * sequence, 5) for place in places],
            costs=[(place, 10 * sequence, 1_000, int(rng.integers(1, 99)), 3) for place in places],
            proofs=[(place, PCS[n], 3, 9, 5, 1) for place, n in sites if n < 2],
            holders=[(place, PCS[n], ["main.a", f"field {sequence}"], 4) for place, n in sites if n < 2],
            searches=[(place, "") for place in places if rng.random() < 0.5],
            estimates=[(place, PCS[n], sequence, 0, 9 * sequence, sequence, 0, 99) for place, n in sites if n < 3],
            timers=[(place, "main.expire", sequence) for place in places if rng.random() < 0.5],
            losses={"spool": sequence // 2, "queue": 1},
            runtimes=[RuntimeFigures(9, goroutines=sequence + place, gogc_percent=100) for place in places],
            audit=[act(sequence, detail=f"it's 100 % of \\ {sequence}")],
        )  # fmt: skip


def tell(store: Store, at: Callable[[int], None]) -> list[str]:
    """Says everything that one can say to a store; `at` sets its clock. Returns the ids of snapshots."""
    rng = np.random.default_rng(7)
    every = [list(batches_of(stream, 12, rng)) for stream in streams()]
    now = START
    for number in range(12):
        at(now := now + 600 * SECOND)
        store.append([batches[number] for batches in every[:3]])
    for number in range(12):
        at(now := now + 600 * SECOND)
        store.append([batches[number] for batches in every[3:]])
    at(now := now + SECOND)
    store.append([every[0][3], *(replace(batches[-1], sequence=20) for batches in every[:1])])
    at(now := now + SECOND)
    store.add_audit("web-1", "run", act(0, who="it's me"))
    ids = [*tell_snapshots(store, at, now)]
    at(now := now + SECOND)
    store.save_escapes(
        "build-0", Escapes((Value("shop", "./main.go", 7, 2, VARIABLE, "n", "why"),), (Function("a", "b.go", 1, "f"),))
    )
    store.save_findings([FindingRecord("a", now, "old"), FindingRecord("b", now, "other")])
    store.save_findings([FindingRecord("a", now + 1, "new")])
    store.save_reported([Reported("a", "b", "{}")])
    store.save_reported([Reported("c", "d", "it's"), Reported("a", "b", "{}")])
    store.save_mutes([Mute("a", "", "", "it's known", "me", START, now), Mute("", "app", "main.f", "", "", 1, 2)])
    return ids


def tell_snapshots(store: Store, at: Callable[[int], None], now: int) -> Iterator[str]:
    """Four profiles of each of two processes, the second time of the first one alone; each at a time of its own."""
    taken = START
    for number, pid in enumerate((1, 2, 1, 1)):
        stack, created = (Frame("main.f", "a.go", 1), Frame("main.g", "b.go", 2)), Frame("main.f", "main.go", LINE)
        groups = (
            GoroutineGroup(5, stack, created, "select", 7, (3, 9 + number), 64),
            GoroutineGroup(2, (), created, "sleep", 0, (4,), 0),
        )
        for profile in (
            GoroutineProfile("memory", groups),
            GoroutineProfile("debug=1", groups),
            HeapProfile((HeapSample(stack, 1, 2, 3, number),)),
            ContentionProfile(BLOCK, (ContentionSample(stack, 1, number),)),
        ):
            at(now := now + 1)
            taken += 1
            yield store.add_snapshot("web-1", ProcessKey("boot", pid, 9 * pid, 0), taken, profile)


def answers(store: Store, ids: Sequence[str]) -> Answers:
    """What a store says to every question, by the method's name and a number."""
    found: dict[str, list[Any]] = {name: list(each) for name, each in asked(store, ids).items()}
    known = {snapshot_id: f"snapshot {number}" for number, snapshot_id in enumerate(ids)}
    return {name: plain(value, known) for name, value in found.items()}


def asked(store: Store, ids: Sequence[str]) -> dict[str, Iterator[Any]]:
    filters = [
        *(
            ProcessFilter(),
            ProcessFilter(all_runs=True),
            ProcessFilter("web-1"),
            ProcessFilter("web-2", 2),
            ProcessFilter("it's \\ 100 %s"),
        ),
        ProcessFilter(container=Container(namespace="shop")),
    ]
    keys = [(host, ProcessKey("boot", pid, 9 * pid, 0)) for host in HOSTS for pid in range(1, 6)]
    numbers = sorted(store.running())
    sites = [(number, pc) for number in [*numbers, 1] for pc in PCS]
    one = ("web-1", keys[0][1])
    return {
        "acknowledged": (store.acknowledged(stream) for stream in streams()),
        "processes": (store.processes(which) for which in filters),
        "sites": (store.sites(which) for which in filters),
        "keys": (store.keys(which) for which in filters),
        "past": (store.past(*key) for key in keys),
        "parks": (store.parks(which) for which in filters),
        "clock_offsets": iter([store.clock_offsets()]),
        "gc_totals": iter([sorted(store.gc_totals(), key=lambda row: (row.host, row.process.pid))]),
        "losses": iter([store.losses()]),
        "gc_cycles": (store.gc_cycles(which, limit) for which in filters for limit in (1, 3, 100)),
        "gc_columns": (store.gc_columns(number, START + 4 * SECOND) for number in [*numbers, 1]),
        "heard": (store.heard(number, START + 4 * SECOND) for number in [*numbers, 1]),
        "running": iter([store.running()]),
        "searches": iter([store.searches()]),
        "search": (store.search(*key) for key in keys),
        "timers": (store.timers(*key, lookback) for key in keys for lookback in (0, 3 * SECOND, HOUR)),
        "newest_timers": (store.newest_timers(within) for within in (0, 3 * SECOND, HOUR)),
        "base_counters": (store.base_counters(lookback) for lookback in (-1, 3 * SECOND, HOUR)),
        "new_counters": new_counters(store),
        "series": (sorted_series(store.series(sites, lookback)) for lookback in (3 * SECOND, HOUR)),
        "estimates": (store.estimates(sites, lookback) for lookback in (0, 3 * SECOND, HOUR)),
        "site_names": iter([store.site_names("build-0", [*PCS, 1]), store.site_names("?", PCS)]),
        "site_series": (store.site_series(*key, PCS[1], 5 * SECOND) for key in keys),
        "snapshot_heads": (store.snapshot_heads(most) for most in (1, 2, 9)),
        "profiles": (store.profiles(*key, most, which) for key in keys for most in (1, 9) for which in ("", ids[0])),
        "snapshot": (store.snapshot(snapshot_id) for snapshot_id in [*ids, "?"]),
        "states_seen": (store.states_seen(*one, line, most) for line in (LINE, 8) for most in (1, 9)),
        "first_seen": (store.first_seen(*one, LINE, [3, 9, 11], most) for most in (1, 9)),
        "newest_heap": (store.newest_heap(*key) for key in keys),
        "newest_contention": (store.newest_contention(*key, BLOCK) for key in keys),
        "escapes": (store.escapes(build, ["main.go", "b.go"]) for build in ("build-0", "build-1")),
        "findings": iter([sorted(store.findings(), key=lambda record: record.id)]),
        "mutes": iter([store.mutes()]),
        "reported": iter([store.reported()]),
        "audit": (store.audit(which, since, 9) for which in filters for since in (0, START + 8 * 600 * SECOND)),
    }  # fmt: skip


def new_counters(store: Store) -> Iterator[Any]:
    """All, some batches at a time."""
    stored = 0
    while found := store.new_counters(stored, 4):
        order = np.lexsort((found.pc, found.unix_nano, found.process))
        columns = (
            found.process,
            found.pc,
            found.unix_nano,
            found.created,
            found.exited,
            found.baseline,
            found.mismatch,
        )
        yield [column[order] for column in columns]
        yield (stored := found.stored_unix_nano)


def sorted_series(found: Sequence[Any]) -> list[Any]:
    return sorted(found, key=lambda series: (series.number, series.site.pc))


def plain(value: Any, names: Mapping[str, str]) -> Any:
    """Values that compare by what they hold; ids of snapshots, which each store gives, by their order."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, [plain(getattr(value, field.name), names) for field in fields(value)]
    if isinstance(value, Mapping):
        return {str(plain(key, names)): plain(held, names) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(held, names) for held in value]
    return value
