"""Lets damaged binaries loose on the parsers: `python -m tests.fuzz.run SECONDS`, or `--examples N` for a fixed series.

Every example must end with a typed error or a result, within EXAMPLE_SECONDS of CPU time and MEMORY_BYTES; whatever
does not is written into tests/fuzz/corpus and ends the run with 1.
"""

import contextlib
import faulthandler
import hashlib
import itertools
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType

from gosonde.errors import GosondeError
from gosonde_agent.golang import binary, buildinfo, dwarf, layouts, symtab
from gosonde_agent.golang.elf import ElfImage

from tests.fuzz.damage import CORPUS, Damage, corpus, opened, random_damage, seed_bytes

#: Of the processor's time, so that a busy machine fails nothing.
EXAMPLE_SECONDS = 20
#: All that the process may take, with its libraries and the seeds.
MEMORY_BYTES = 2 << 30
ADDRESSES = 40


class TooSlowError(Exception):
    """An example computed for longer than EXAMPLE_SECONDS."""


def exercise(fd: int) -> None:
    """Asks every parser everything; only typed errors may come out, and they are swallowed here one by one."""
    with contextlib.suppress(GosondeError):
        image_parts(ElfImage(fd))
    with contextlib.suppress(GosondeError):
        all_of(binary.load(fd, "damaged"), random.Random(0))


def image_parts(image: ElfImage) -> None:
    """What can be asked of a file without its pclntab."""
    parts: tuple[Callable[[], object], ...] = (
        lambda: dwarf.read_structures(image, layouts.structure_names()),
        lambda: symtab.addresses(image, ["runtime.newproc1", "runtime.gopark"]),
        lambda: buildinfo.read_build_id(image),
        lambda: buildinfo.content_digest(image),
        lambda: buildinfo.read_version_string(image),
    )
    for part in parts:
        with contextlib.suppress(GosondeError):
            part()


def all_of(known: binary.GoBinary, chance: random.Random) -> None:
    """What can be asked of a binary whose pclntab was taken for good."""
    low, high = int(known.pclntab.entries[0]), int(known.pclntab.entries[-1])
    for pc in [chance.randrange(low, high + 1) for _ in range(ADDRESSES)] + [0, low, high, (1 << 64) - 1]:
        for question in (known.pclntab.frames_of, known.pclntab.location_of, known.pclntab.function_of):
            with contextlib.suppress(GosondeError):
                question(pc)
        known.go_statement(pc)
        known.start_function(pc)


def survives(damage: Damage) -> bool:
    """Runs an example; what went wrong is printed and kept."""
    signal.setitimer(signal.ITIMER_PROF, EXAMPLE_SECONDS)
    try:
        with opened(damage) as fd:
            exercise(fd)
    except (Exception, MemoryError) as error:  # whatever comes out is the finding
        name = hashlib.sha256(damage.to_json().encode()).hexdigest()[:12]
        (CORPUS / f"{name}.json").write_text(damage.to_json() + "\n")
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        sys.excepthook(type(error), error, error.__traceback__)
        return False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return True


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError(f"more than {EXAMPLE_SECONDS} s of CPU time")


def examples(arguments: list[str]) -> Iterator[Damage]:
    """The corpus, then random damage: a number of examples, or as many as the time allows."""
    yield from corpus()
    if arguments[:1] == ["--examples"]:
        chance = random.Random(1)
        for _ in range(int(arguments[1])):
            yield random_damage(chance)
        return
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    chance, end = random.Random(seed), time.monotonic() + float((arguments or ["60"])[0])
    yield from itertools.takewhile(lambda _: time.monotonic() < end, (random_damage(chance) for _ in itertools.count()))


def main() -> None:
    """Runs the examples."""
    faulthandler.enable()
    seed_bytes("old")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGPROF, _too_slow)
    count = failures = 0
    slowest = 0.0
    for damage in examples(sys.argv[1:]):
        began = time.process_time()
        failures += not survives(damage)
        slowest = max(slowest, time.process_time() - began)
        count += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} damaged binaries, {failures} not survived, slowest {slowest:.2f} s, peak memory {peak:.0f} MiB")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
