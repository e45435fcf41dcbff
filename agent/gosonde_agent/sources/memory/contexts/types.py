"""The types of package context in one process, by the descriptions that the runtime keeps of them, stripped or not."""

from dataclasses import dataclass
from typing import Final

from gosonde_agent.golang.go_types import GoType, Kind
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.contexts.values import ContextKind
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reachability.named_types import NamedTypes

#: The structs whose objects are looked for.
STRUCTS: Final = {
    "context.cancelCtx": ContextKind.CANCEL,
    "context.timerCtx": ContextKind.DEADLINE,
    "context.afterFuncCtx": ContextKind.AFTER_FUNC,
}
INTERFACE: Final = "context.Context"
CHANNEL: Final = "chan struct {}"
#: Sizes of objects have such steps where contexts are.
SIZE_STEP: Final = 16
WORD: Final = 8
#: No context is larger, bytes.
MAX_SIZE: Final = 512


@dataclass(frozen=True, slots=True)
class ContextType:
    """One kind of context.

    Attributes:
        pointer: Address of the description of the pointer to it, which is what interfaces hold.
        size: Of its objects in the heap, bytes.
    """

    kind: ContextKind
    pointer: int
    size: int


@dataclass(frozen=True, slots=True)
class ContextTypes:
    """What package context has in one process. Offsets are those in the objects, bytes.

    Attributes:
        kinds: That the program can have; none without package context.
        interfaces: Addresses of the descriptions of context.Context.
        channels: Of `chan struct{}`.
        done: An atomic.Value: the type and the channel.
        children: A map.
        error: Its first word is 0 until the context is cancelled.
        timer: Of a context with a deadline, *time.Timer; -1 without such.
        deadline: time.Time.
    """

    kinds: tuple[ContextType, ...]
    interfaces: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    done: int = -1
    children: int = -1
    error: int = -1
    timer: int = -1
    deadline: int = -1


def context_types(types: NamedTypes) -> ContextTypes:
    """What package context has.

    Raises:
        UnsupportedBinaryError: Its contexts have not what is known of them.
        GosondeError: The descriptions are damaged, or cannot be read.
    """
    kinds: list[ContextType] = []
    places: dict[str, int] = {}
    for name, kind in STRUCTS.items():
        for pointer, described in types.named(f"*{name}", Kind.POINTER).items():
            struct = described.other(described.element)
            places |= _fields(struct)
            kinds.append(ContextType(kind, pointer, -(-struct.size // SIZE_STEP) * SIZE_STEP))
    if not kinds:
        return ContextTypes(())
    try:
        done, children, error = (places[name] for name in ("done", "children", "err"))
    except KeyError as missing:
        raise UnsupportedBinaryError(f"context.cancelCtx has no field {missing} in this version of Go") from missing
    found = ContextTypes(
        kinds=tuple(kinds),
        interfaces=tuple(types.named(INTERFACE, Kind.INTERFACE)),
        channels=tuple(types.named(CHANNEL, Kind.CHANNEL)),
        done=done,
        children=children,
        error=error,
        timer=places.get("timer", -1),
        deadline=places.get("deadline", -1),
    )
    _check(found)
    return found


def _check(found: ContextTypes) -> None:
    """Whether all that is read of an object lies in it."""
    last = max(found.done, found.error, found.children)
    for kind in found.kinds:
        ends = max(last, found.timer, found.deadline) if kind.kind is ContextKind.DEADLINE else last
        lacks = kind.kind is ContextKind.DEADLINE and min(found.timer, found.deadline) < 0
        if lacks or not ends + 2 * WORD <= kind.size <= MAX_SIZE:
            raise UnsupportedBinaryError(f"contexts of kind {kind.kind} have no room for what is known of them")


def _fields(struct: GoType) -> dict[str, int]:
    """Offsets by name, those of an embedded cancelCtx among them; a context begins with its parent."""
    places: dict[str, int] = {}
    for field in struct.fields:
        inner = struct.other(field.type)
        if field.name == "cancelCtx":
            if inner.kind is not Kind.STRUCT or field.offset:
                raise UnsupportedBinaryError(f"{struct.name} does not begin with a context.cancelCtx")
            places |= _fields(inner)
        places[field.name] = field.offset
        if field.offset + inner.size > struct.size:
            raise ImplausibleMemoryError(f"{struct.name} claims a field outside of it: {field.name}")
    if places.get("Context") != 0:
        raise UnsupportedBinaryError(f"{struct.name} does not begin with its parent")
    return places
