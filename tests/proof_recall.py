"""Proofs about leaking programs, held against what Go's own goroutineleak profile says of them (Go 1.27)."""

import re
import time
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gosonde_agent.sources.memory.reachability.examining import scanner_of
from gosonde_agent.sources.memory.reachability.proving import prove
from gosonde_agent.sources.memory.target import opened

from tests.go_programs import GoProgram, build
from tests.labelled_programs import Labelled

#: A line of a goroutine in a profile of debug=2 that the runtime found to be leaked.
LEAKED = re.compile(r"^goroutine (\d+) .*\[[^\]]*\(leaked\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Recall:
    """One leaking program: goroutines and `go` statements of those that lived when the proof began.

    Attributes:
        runtime: Whom the runtime's own profile, taken after the proof, calls leaked.
        both: Who is proved of those.
        more: Who is proved and not in the profile.
    """

    name: str
    runtime: int
    both: int
    more: int
    runtime_sites: int
    both_sites: int
    why: str


def recall(labels: Iterable[Labelled], seconds: float, at_once: int) -> Iterator[Recall]:
    """Lets each program leak for a while, some of them at the same time, then proves."""
    waiting = list(labels)
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(lambda label: _recalled(label, seconds), waiting)


def _recalled(label: Labelled, seconds: float) -> Recall:
    with GoProgram(build(label.name)) as program:
        time.sleep(seconds)
        with opened(program.pid) as target:
            verdict = prove(scanner_of(target))
        leaked = leaked_goids(program)
        scan = verdict.first
        if scan is None:
            return Recall(label.name, 0, 0, 0, 0, 0, verdict.why)
        at = scan.goroutines
        sites = dict(zip(at.goid.tolist(), at.gopc.tolist(), strict=True))
        runtime = leaked & sites.keys()
        proved = set(at.goid[verdict.proved].tolist())
        both = proved & runtime
        return Recall(
            label.name,
            len(runtime),
            len(both),
            len(proved - runtime),
            len({sites[goid] for goid in runtime}),
            len({sites[goid] for goid in both}),
            verdict.why,
        )


def leaked_goids(program: GoProgram) -> set[int]:
    """Whom the runtime itself finds to have leaked, by a garbage collection that it makes for it."""
    url = f"http://127.0.0.1:{program.ready['port']}/debug/pprof/goroutineleak?debug=2"
    with urllib.request.urlopen(url) as response:
        return {int(goid) for goid in LEAKED.findall(response.read().decode())}
