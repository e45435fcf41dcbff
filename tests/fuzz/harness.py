"""Runs damaged examples within limits, and keeps those that are not survived: what the fuzzers here share."""

import faulthandler
import hashlib
import itertools
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Generic, Protocol, TypeVar

CORPUS = Path(__file__).with_name("corpus")
#: Of the processor's time, so that a busy machine fails nothing.
EXAMPLE_SECONDS = 20
#: All that the process may take, with its libraries and the seeds.
MEMORY_BYTES = 2 << 30


class TooSlowError(Exception):
    """An example computed for longer than EXAMPLE_SECONDS."""


class Damage(Protocol):
    """An example."""

    def to_json(self) -> str:
        """For the corpus."""


D = TypeVar("D", bound=Damage)


@dataclass(frozen=True)
class Subject(Generic[D]):
    """What is fuzzed.

    Attributes:
        what: Its name in the last line.
        corpus: Folder of examples that were once survived badly.
        read: An example of the corpus.
        chosen: A new example.
        exercise: Tries one; whatever it raises is a finding.
    """

    what: str
    corpus: Path
    read: Callable[[str], D]
    chosen: Callable[[random.Random], D]
    exercise: Callable[[D], None]

    def examples(self, arguments: Sequence[str]) -> Iterator[D]:
        """The corpus, then random damage: a number of examples, or as many as the time allows."""
        yield from (self.read(path.read_text()) for path in sorted(self.corpus.glob("*.json")))
        if arguments[:1] == ["--examples"]:
            chance = random.Random(1)
            for _ in range(int(arguments[1])):
                yield self.chosen(chance)
            return
        seed = int.from_bytes(os.urandom(4))
        print(f"seed {seed}")
        chance, end = random.Random(seed), time.monotonic() + float((arguments or ["60"])[0])
        endless = (self.chosen(chance) for _ in itertools.count())
        yield from itertools.takewhile(lambda _: time.monotonic() < end, endless)

    def survives(self, damage: D) -> bool:
        """Runs an example; what went wrong is printed and kept."""
        signal.setitimer(signal.ITIMER_PROF, EXAMPLE_SECONDS)
        try:
            self.exercise(damage)
        except (Exception, MemoryError) as error:  # whatever comes out is the finding
            name = hashlib.sha256(damage.to_json().encode()).hexdigest()[:12]
            self.corpus.mkdir(exist_ok=True)
            (self.corpus / f"{name}.json").write_text(damage.to_json() + "\n")
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            sys.excepthook(type(error), error, error.__traceback__)
            return False
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return True

    def run(self, arguments: Sequence[str]) -> None:
        """Runs the examples; ends the process with 1 when one was not survived."""
        faulthandler.enable()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        signal.signal(signal.SIGPROF, _too_slow)
        count = failures = 0
        slowest = 0.0
        for damage in self.examples(arguments):
            began = time.process_time()
            failures += not self.survives(damage)
            slowest = max(slowest, time.process_time() - began)
            count += 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{count} {self.what}, {failures} not survived, slowest {slowest:.2f} s, peak memory {peak:.0f} MiB")
        sys.exit(failures != 0)


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError(f"more than {EXAMPLE_SECONDS} s of CPU time")
