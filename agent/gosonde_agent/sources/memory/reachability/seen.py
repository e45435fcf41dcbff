"""An object on a way as its type says it: the text, and the word in it that leads on."""

from dataclasses import dataclass
from typing import Final

from gosonde_common.errors import GosondeError

from gosonde_agent.golang.go_types import GoType, Kind, Place, place_in
from gosonde_agent.sources.memory.reachability.pointees import (
    Channel,
    MapPart,
    Part,
    Values,
    cell_at,
    next_part,
)
from gosonde_agent.sources.memory.runtime import Runtime

MAX_TEXT: Final = 256
MAX_TYPE: Final = 128
ENDING: Final = "…"
#: Every lock waits for one; up to Go 1.19 the runtime does not say which lock it is.
SEMAPHORE: Final = "semaphore"
LOCKS: Final = ("sync.Cond", "sync.Mutex", "sync.RWMutex", "sync.WaitGroup")
#: Fields of a struct among which a lock is looked for.
MAX_FIELDS: Final = 256


@dataclass(frozen=True, slots=True)
class Object:
    """An object of the heap.

    Attributes:
        address, size: Where it begins, and how many bytes the allocator gave it.
        offset: Where in it the pointer to the next object is; None in the last one.
    """

    address: int
    size: int
    offset: int | None

    @property
    def word(self) -> int:
        """Address of that pointer; of the beginning where there is none."""
        return self.address + (self.offset or 0)


@dataclass(frozen=True, slots=True)
class Word:
    """A word that holds a pointer.

    Attributes:
        address: Where it is in the process; 0 where that is not known.
        place: Its place in its type; None where that is not known.
        part: It is one of a map's own, which leads to such a part of the map that `place.type` is.
        is_first: No word of the same object lies before it.
    """

    address: int
    place: Place | None = None
    part: Part | None = None
    is_first: bool = False


NOWHERE: Final = Word(0)


@dataclass(frozen=True, slots=True)
class Seen:
    """An object: its text, which may continue that of the one before; and the word that leads on."""

    text: str
    word: Word
    is_continued: bool = False


def bounded(text: str, most: int = MAX_TEXT) -> str:
    """The text, cut where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + ENDING


def word_in(thing: Object) -> Word:
    """The word that leads on from an object of which no type is known."""
    return Word(thing.word, is_first=not thing.offset)


def in_values(found: Values, thing: Object) -> Seen | None:
    """An object that holds values; None where it leads on from outside of them.

    Raises:
        GosondeError: A type on the way is described by nothing.
    """
    offset = thing.word - found.begin
    if offset < 0 or (found.is_one and offset >= found.type.size):
        return None
    index, within = divmod(offset, found.type.size)
    place = place_in(found.type, within)
    name = "" if found.is_part else bounded(found.type.name, MAX_TYPE)
    text = f"[{index}]{place.text}" if found.is_part or index else place.text
    return Seen(name + text, Word(thing.word, place), found.is_part)


def lock_in(found: Values, lock: str) -> Seen:
    """Values of which one is, or has, the lock that a goroutine waits for, such as "sync.Mutex", or SEMAPHORE.

    Raises:
        GosondeError: A type is described by nothing.
    """
    fields = [field for field in found.type.fields[:MAX_FIELDS] if _is(found.type.other(field.type), lock)]
    behind = f".{fields[0].name}" if len(fields) == 1 else ""
    text = "[*]" if found.is_part else bounded(found.type.name, MAX_TYPE)
    return Seen(text + behind, NOWHERE, found.is_part)


def _is(found: GoType, lock: str) -> bool:
    return found.name in LOCKS if lock == SEMAPHORE else found.name == lock


def in_map(runtime: Runtime, found: MapPart, thing: Object, *, is_continued: bool) -> Seen:
    """An object of a map; all objects of one map are one element of the way.

    Raises:
        GosondeError: The process cannot be read, or nothing describes what the map consists of.
    """
    text = "" if is_continued else bounded(found.type.name, MAX_TYPE)
    if found.part is Part.CELLS:
        behind, place = cell_at(found, thing.word)
        if place.parts[-1:] != ("overflow",):
            return Seen(text + behind, Word(thing.word, place), is_continued)
        part: Part | None = Part.CELLS
    else:
        part = next_part(runtime, found, thing.offset or 0)
    return Seen(text, Word(thing.word, Place((), found.type, 0) if part else None, part), is_continued)


def in_channel(runtime: Runtime, found: Channel, thing: Object) -> Seen:
    """A channel, and where it leads on from its buffer, that."""
    channel = found.type
    text = f"channel of {_element(channel)}"
    if thing.offset is None or thing.offset != runtime.layout.fields("hchan").get("buf"):
        return Seen(text, word_in(thing))
    buffer = GoType("", Kind.SLICE, 24, channel.source, element=channel.element)
    return Seen(f"{text}, buffer", Word(thing.word, Place((), buffer, 0)))


def _element(channel: GoType) -> str:
    try:
        return bounded(channel.other(channel.element).name, MAX_TYPE)
    except GosondeError:
        return "?"
