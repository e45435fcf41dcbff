"""The packets of a trace: tracks, slices, instants, counters and flows."""

from collections.abc import Iterator, Mapping, Sequence

from gosonde_cli.perfetto.messages import fixed, message, number, text

#: Trace.packet, and the one sequence that they all are of.
PACKET, SEQUENCE = 1, 1
CLEARED, NEEDS_STATE = 1, 2
#: ClockSnapshot.Clock.clock_id.
REALTIME, BOOTTIME = 1, 6
SLICE_BEGIN, SLICE_END, INSTANT, COUNTER = 1, 2, 3, 4
#: TrackDescriptor.ChildTracksOrdering, and CounterDescriptor.Unit.
EXPLICIT, COUNT = 3, 2

Notes = Mapping[str, int | str]


class Packets:
    """Makes packets; names are written once. Times are ns since boot."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._is_first = True

    def clocks(self, at: int, unix_nano: int) -> bytes:
        """What time it is by two clocks at one moment."""
        pairs = ((BOOTTIME, at), (REALTIME, unix_nano))
        clocks = [message(1, [number(1, clock), number(2, time)]) for clock, time in pairs]
        return self._packet([number(8, at), message(6, [*clocks, number(2, BOOTTIME)])])

    def process(self, uuid: int, pid: int, name: str) -> bytes:
        """The track of a process."""
        described = message(3, [number(1, pid), text(6, name)])
        return self._packet([message(60, [number(1, uuid), described, number(11, EXPLICIT)])])

    def track(self, uuid: int, parent: int, name: str, rank: int, *, is_counter: bool = False) -> bytes:
        """A track within another one, in the order of ranks."""
        counter = [message(8, [number(3, COUNT)])] if is_counter else []
        fields = [number(1, uuid), text(2, name), number(5, parent), number(12, rank), *counter]
        return self._packet([message(60, fields)])

    def begin(self, track: int, at: int, name: str, notes: Notes | None = None, ends: Sequence[int] = ()) -> bytes:
        """A slice begins; the flows `ends` lead to it."""
        about = [message(4, _note(key, value)) for key, value in (notes or {}).items()]
        return self._named(SLICE_BEGIN, track, at, name, [*about, *(fixed(48, flow) for flow in ends)])

    def end(self, track: int, at: int) -> bytes:
        """The innermost slice ends."""
        return self._event(track, at, [number(9, SLICE_END)])

    def instant(self, track: int, at: int, name: str, begins: Sequence[int] = ()) -> bytes:
        """Something happens; the flows `begins` lead away from it."""
        return self._named(INSTANT, track, at, name, [fixed(47, flow) for flow in begins])

    def count(self, track: int, at: int, value: int) -> bytes:
        """A counter has a value from now on."""
        return self._event(track, at, [number(9, COUNTER), number(30, value)])

    def _named(self, kind: int, track: int, at: int, name: str, rest: Sequence[bytes]) -> bytes:
        """An event with a name: the first one of that name brings it."""
        new: list[bytes] = []
        if name not in self._names:
            self._names[name] = len(self._names) + 1
            new.append(message(12, [message(2, [number(1, self._names[name]), text(2, name)])]))
        return self._event(track, at, [number(9, kind), number(10, self._names[name]), *rest], new)

    def _event(self, track: int, at: int, fields: Sequence[bytes], new: Sequence[bytes] = ()) -> bytes:
        return self._packet([number(8, at), *new, message(11, [number(11, track), *fields])])

    def _packet(self, fields: Sequence[bytes]) -> bytes:
        flags = NEEDS_STATE | (CLEARED if self._is_first else 0)
        self._is_first = False
        return message(PACKET, [*fields, number(10, SEQUENCE), number(13, flags)])


def _note(key: str, value: int | str) -> Iterator[bytes]:
    yield text(10, key)
    yield text(6, value) if isinstance(value, str) else number(4, value)
