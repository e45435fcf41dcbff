"""Names the way from a root to what a goroutine waits for: `main.subscribers`, `map[string]chan int`, `channel of int`.

Names of variables come from the symbol table or DWARF; types from DWARF or, where an interface, a channel or the header
of a large object says which one it is, from the runtime's own descriptions. Where no type is known, an object is named
by its size. The process goes on meanwhile: a pointer that points elsewhere by now says nothing of the object.

Names are a stranger's: they are bounded here, and made safe for terminals where they are shown.
"""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Final

from gosonde_common.errors import GosondeError

from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.golang.dwarf_types import DwarfTypes
from gosonde_agent.golang.globals import Globals, KnownSymbols
from gosonde_agent.golang.pclntab import printed_name
from gosonde_agent.sources.memory.reachability.frames import Frames
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.paths import Path, Step
from gosonde_agent.sources.memory.reachability.pointees import (
    Channel,
    MapPart,
    Pointee,
    Values,
    pointee,
)
from gosonde_agent.sources.memory.reachability.recognition import Recognition
from gosonde_agent.sources.memory.reachability.root_names import TIMER, RootNames
from gosonde_agent.sources.memory.reachability.runtime_types import RuntimeTypes
from gosonde_agent.sources.memory.reachability.seen import (
    LOCKS,
    NOWHERE,
    SEMAPHORE,
    Object,
    Seen,
    Word,
    bounded,
    in_channel,
    in_map,
    in_values,
    lock_in,
    word_in,
)
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.memory.target import Target

#: Steps that are named; a scan finds no longer ways.
MAX_STEPS: Final = 64
CHANNEL: Final = "channel"


def awaited_by(wait_reason: str) -> str:
    """What a goroutine waits for, by its wait reason: "channel", "sync.Mutex", "semaphore"; empty for nothing."""
    if wait_reason in ("chan receive", "chan send", "select"):
        return CHANNEL
    lock = next((lock for lock in LOCKS if wait_reason.startswith(f"{lock}.")), "")
    return lock or (SEMAPHORE if wait_reason == "semacquire" else "")


def namer_of(target: Target, known: KnownSymbols | None = None) -> "Namer":
    """What names ways in a process; with fewer names where its file or memory lacks or damages them.

    It holds the file's DWARF, of at most 128 MiB: keep it no longer than there are ways to name.

    Args:
        known: Symbols of files that were read before; those of this one are added.
    """
    image, runtime, pclntab = target.image, target.runtime, target.pclntab
    minor = parse_version(target.go_version).minor
    symbols = (known or KnownSymbols()).of(target.identity, image)
    types: DwarfTypes | None = None
    descriptors: RuntimeTypes | None = None
    with contextlib.suppress(GosondeError):
        types = DwarfTypes(image)
    with contextlib.suppress(GosondeError):
        descriptors = RuntimeTypes(runtime, pclntab.moduledata, minor)
    recognition = Recognition(runtime, pclntab, descriptors, minor)
    variables = Globals(image, symbols, types)
    roots = RootNames(runtime, Frames(runtime, pclntab), variables, types, recognition)
    return Namer(runtime, roots, recognition)


class Namer:
    """Names ways in one process."""

    def __init__(self, runtime: Runtime, roots: RootNames, recognition: Recognition) -> None:
        self._runtime = runtime
        self._roots = roots
        self._recognition = recognition

    def name(self, path: Path, goroutines: Goroutines, awaited: str = "") -> tuple[str, ...]:
        """The elements of a way: ("main.subscribers", "map[string]chan int", "channel of int").

        Each has at most MAX_TEXT characters, whatever the process and its file hold.

        Args:
            goroutines: Those of the scan that found the way.
            awaited: What the goroutine waits for: see `awaited_by`.
        """
        texts: list[str] = []
        for seen in self._elements(path, goroutines, awaited):
            if seen.is_continued:
                texts[-1] = bounded(texts[-1] + seen.text)
            else:
                texts.append(bounded(seen.text))
        return tuple(texts)

    def _elements(self, path: Path, goroutines: Goroutines, awaited: str) -> Iterator[Seen]:
        seen = self._roots.named(path.root, goroutines, is_awaited=not path.steps)
        yield seen
        is_timer = seen.text == TIMER
        steps = path.steps[:MAX_STEPS]
        for step, next_step in itertools.zip_longest(steps, steps[1:]):
            thing = _object(step, next_step)
            if not step.size:
                seen = Seen(self._roots.stack(step.goid, goroutines), NOWHERE)
            elif is_timer and next_step is not None:
                seen = Seen("", word_in(thing), is_continued=True)
            else:
                seen = self._object(seen.word, thing, awaited)
            is_timer = False
            yield seen

    def _object(self, word: Word, thing: Object, awaited: str) -> Seen:
        """An object that a word points at."""
        is_last = thing.offset is None
        try:
            found = self._pointee(word, thing)
            if is_last and awaited == CHANNEL and not isinstance(found, Channel):
                found = self._recognition.channel(thing)
            seen = self._lock(found, awaited) if is_last and awaited != CHANNEL else self._described(found, word, thing)
        except GosondeError:
            seen = None
        return seen or Seen((awaited if is_last else "") or f"object of {thing.size} bytes", word_in(thing))

    def _pointee(self, word: Word, thing: Object) -> Pointee | None:
        """What is known of an object: by the type of the word that points to it, else by what else can be seen."""
        if word.place is not None:
            value = int.from_bytes(self._runtime.memory.read(word.address, 8), "little")
            if not thing.address <= value < thing.address + thing.size:
                return None
            if word.part is not None:
                return MapPart(word.place.type, word.part, value)
            found = pointee(word.place, value)
            if found is not None:
                return found
        return self._recognition.recognised(word, thing)

    def _lock(self, found: Pointee | None, awaited: str) -> Seen | None:
        return lock_in(found, awaited) if isinstance(found, Values) else None

    def _described(self, found: Pointee | None, word: Word, thing: Object) -> Seen | None:
        if found is None:
            return None
        if isinstance(found, Values):
            return in_values(found, thing)
        if isinstance(found, MapPart):
            return in_map(self._runtime, found, thing, is_continued=word.part is not None)
        if isinstance(found, Channel):
            return in_channel(self._runtime, found, thing)
        function = self._recognition.function(thing.address)
        return Seen(f"closure {printed_name(function)}", word_in(thing)) if function else None


def _object(step: Step, next_step: Step | None) -> Object:
    if next_step is None:
        return Object(step.address, step.size, None)
    offset = next_step.at - step.address
    return Object(step.address, step.size, offset if 0 <= offset < step.size else 0)
