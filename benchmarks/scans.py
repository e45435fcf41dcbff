"""What it takes to search a process's memory for who can wake its goroutines, and what that costs the process."""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

from gosonde_agent.sources.memory.reachability.examining import scanner_of
from gosonde_agent.sources.memory.reachability.limits import NotDecidedError
from gosonde_agent.sources.memory.reachability.scanner import Scanner
from gosonde_agent.sources.memory.target import opened

from benchmarks.effort import Effort
from benchmarks.lost_work import lost_work
from benchmarks.results import Row
from benchmarks.scanning import scanned
from tests.go_programs import GoProgram, build
from tests.scan_room import allowed_bytes

MEGABYTES = (10, 100, 1_000)
SHAPES = ("map", "lists")
#: Blocked goroutines, half of which nobody can wake.
CANDIDATES = 200
#: As many beside a small heap.
MANY = 100_000
#: More than one scan has time for.
LARGEST = 1_000_000
ON_ONE_P = {"GOMAXPROCS": "1"}
#: Blocks of slices in which the target's work is compared.
BLOCKS, FEW_BLOCKS = 80, 8


def scans(effort: Effort) -> Iterator[Row]:
    """CPU seconds and memory of a scan by the heap's size, beside the target's own work; then what that loses by it."""
    for shape in SHAPES:
        for size in MEGABYTES:
            yield from _beside_work(shape, size, CANDIDATES // 2, CANDIDATES // 2, effort)
    yield from _beside_work("map", MEGABYTES[0], MANY // 100, MANY, effort)
    if effort.thorough:
        yield from _given_up()
    yield from lost_work(BLOCKS if effort.thorough else FEW_BLOCKS)


def _beside_work(shape: str, size: int, lost: int, known: int, effort: Effort) -> Iterator[Row]:
    arguments = (shape, str(size), str(lost), str(known))
    with GoProgram(build("searched"), *arguments, env=ON_ONE_P) as program, opened(program.pid) as target:
        scanner = scanner_of(target)
        seconds = [_during(program, scanner, order) for order in range(effort.rounds)]
        room = _room(scanner)
    of = shape if known < MANY else f"{MANY:,} goroutines"
    yield Row("scans", f"one scan, {of}", "CPU s", tuple(seconds), size, "MB of heap")
    yield Row("scans", f"its memory, {of}", "% of what the formula allows", (room,), size, "MB of heap")


def _given_up() -> Iterator[Row]:
    """A process that is larger than the limits of one scan: what is spent until nothing is decided."""
    arguments = ("map", str(MEGABYTES[0]), str(LARGEST // 2), str(LARGEST // 2))
    with GoProgram(build("searched"), *arguments, env=ON_ONE_P) as program, opened(program.pid) as target:
        scanner = scanner_of(target)
        began = time.thread_time()
        with suppress(NotDecidedError):
            scanner.scan()
        taken = time.thread_time() - began
        tracemalloc.start()
        try:
            with suppress(NotDecidedError):
                scanner.scan()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    of = f"{LARGEST:,} goroutines"
    yield Row("scans", f"until it is given up, {of}", "CPU s", (taken,), MEGABYTES[0], "MB of heap")
    yield Row("scans", f"its memory, {of}", "MB", (peak / 1e6,), MEGABYTES[0], "MB of heap")


def _during(program: GoProgram, scanner: Scanner, order: int) -> float:
    program.send("work 1000")
    began = time.thread_time()
    scanned(scanner, order)
    taken = time.thread_time() - began
    program.answer()
    return taken


def _room(scanner: Scanner) -> float:
    tracemalloc.start()
    try:
        scan = scanned(scanner)
        return 100 * tracemalloc.get_traced_memory()[1] / allowed_bytes(scan)
    finally:
        tracemalloc.stop()
