"""Which goroutines turn in a loop that does not end, as far as a few stops within a second can show it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gosonde_common.values.goroutines import Goroutine

#: Stops at which it has to run.
MIN_SIGHTINGS = 3
#: The runtime takes the CPU from a goroutine every 10 ms, and in collections; one that waits leaves it more often.
CHANGE_SECONDS, MORE_CHANGES = 0.004, 2
#: The share of the time in which its threads were on a CPU or waited for one: it may have run on others in between.
MIN_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Stop:
    """What ran when a process stood.

    Attributes:
        seconds: When, of a monotonic clock.
        times: (ns on a CPU, ns of waiting for one) of each thread, by number.
        running: Each goroutine, and how often it had left a CPU so far, modulo 256.
    """

    seconds: float
    times: Mapping[int, tuple[int, int]]
    running: tuple[tuple[Goroutine, int], ...]


def busy_loops(stops: Sequence[Stop]) -> dict[int, str]:
    """By goid, why a goroutine is said to turn in a loop: a sentence.

    At several stops it ran within one call of one function of the program. In between it left the CPU no more often
    than the runtime takes it away, so it hardly waited; and its thread was on a CPU, or waited for one.
    """
    seen: dict[int, list[tuple[Stop, Goroutine, int]]] = defaultdict(list)
    for stop in stops:
        for goroutine, changes in stop.running:
            if goroutine.complete and not goroutine.system:
                seen[goroutine.goid].append((stop, goroutine, changes))
    found = {goid: _reason(sightings, len(stops)) for goid, sightings in seen.items()}
    return {goid: reason for goid, reason in found.items() if reason}


def _reason(sightings: Sequence[tuple[Stop, Goroutine, int]], stops: int) -> str:
    if len(sightings) < MIN_SIGHTINGS:
        return ""
    function = _common([goroutine for _, goroutine, _ in sightings])
    seconds = sightings[-1][0].seconds - sightings[0][0].seconds
    changes = sum((after[2] - before[2]) % 256 for before, after in pairwise(sightings))
    grown = [_grown(before[0], after[0], after[1].thread_id) for before, after in pairwise(sightings)]
    cpu, waited = (sum(column) / 1e9 for column in zip(*grown, strict=True))
    waits = changes > MORE_CHANGES + seconds / CHANGE_SECONDS
    if not function or waits or not cpu or cpu + waited < MIN_SHARE * seconds:
        return ""
    return (
        f"it ran in {function} at {len(sightings)} of {stops} stops within {seconds:.2f} s, and left its CPU "
        f"{changes} times, no more often than by preemption; its threads were on a CPU for {cpu:.2f} s, "
        f"and waited for one for {waited:.2f} s"
    )


def _grown(before: Stop, after: Stop, thread: int) -> tuple[int, int]:
    """What a thread has got between two stops: (ns on a CPU, ns of waiting for one)."""
    (cpu, waited), nothing = after.times.get(thread, (0, 0)), after.times.get(thread, (0, 0))
    cpu_before, waited_before = before.times.get(thread, nothing)
    return cpu - cpu_before, waited - waited_before


def _common(goroutines: Sequence[Goroutine]) -> str:
    """The innermost function that all stacks have in the same call, if there is one of the first function's package."""
    functions = []
    for frames in zip(*(reversed(goroutine.stack) for goroutine in goroutines), strict=False):
        if len({frame.function for frame in frames}) > 1:
            break
        functions.append(frames[0].function)
        if len(set(frames)) > 1:  # what it calls from there on is called anew
            break
    own = [function for function in functions if _package(function) == _package(functions[0])]
    return own[-1] if own and _package(own[-1]) != "runtime" else ""


def _package(function: str) -> str:
    path, slash, name = function.rpartition("/")
    return path + slash + name.split(".")[0]
