"""Records timelines of programs, and reads traces by the schema that Perfetto publishes."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from gosonde_agent.watch.timeline.recording import Recorder
from gosonde_agent.watch.timeline.values import Timeline
from gosonde_agent.watch.trace.seen import Trace
from gosonde_agent.watch.trace.tracing import trace_pid
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as schema

from tests.go_programs import GoProgram

LONG = 600.0


def traced(program: GoProgram, *commands: str, seconds: float = LONG) -> tuple[Trace, Timeline, list[Any]]:
    """What was seen while a program did what it was told, and its answers; `seconds` are the timeline's."""
    answers: list[Any] = []

    def tell(elapsed: float, seen: Trace) -> None:
        if not elapsed:
            answers.extend(map(program.ask, commands))
        seen.left = "told all"  # ends the trace

    with trace_pid(program.pid, LONG, tell, "ebpf", recorder=Recorder(seconds)) as seen:
        assert seen.timeline is not None
        return seen, seen.timeline, answers


@dataclass(slots=True)
class Slice:
    """Of a track: `end` is `begin` for what happens at one moment; `depth` counts the slices around it."""

    begin: int
    end: int
    name: str
    depth: int
    notes: dict[str, Any]
    flows_out: list[int]
    flows_in: list[int]


@dataclass(slots=True)
class Track:
    """By its name: slices in the order of their begins, and values of a counter."""

    parent: int
    slices: list[Slice] = field(default_factory=list)
    counts: list[tuple[int, int]] = field(default_factory=list)


def read(data: bytes) -> dict[str, Track]:
    """The tracks of a file by name. Fails where a slice is not closed, a name is unknown, or time goes back."""
    trace = schema.Trace()
    trace.ParseFromString(data)
    tracks: dict[int, Track] = {}
    titles: dict[int, str] = {}
    names: dict[int, str] = {}
    events: dict[int, list[tuple[int, Any]]] = defaultdict(list)
    for packet in trace.packet:
        names |= {one.iid: one.name for one in packet.interned_data.event_names}
        if packet.HasField("track_descriptor"):
            made = packet.track_descriptor
            assert made.uuid not in tracks
            tracks[made.uuid] = Track(made.parent_uuid)
            titles[made.uuid] = made.process.process_name if made.HasField("process") else made.name
        elif packet.HasField("track_event"):
            events[packet.track_event.track_uuid].append((packet.timestamp, packet.track_event))
    for uuid, found in events.items():
        _fill(tracks[uuid], found, names)
    assert len(set(titles.values())) == len(titles)
    return {titles[uuid]: track for uuid, track in tracks.items()}


def _fill(track: Track, events: list[tuple[int, Any]], names: dict[int, str]) -> None:
    assert [at for at, _ in events] == sorted(at for at, _ in events)
    within: list[Slice] = []
    for at, event in events:
        if event.type == schema.TrackEvent.TYPE_SLICE_END:
            within.pop().end = at
        elif event.type == schema.TrackEvent.TYPE_COUNTER:
            track.counts.append((at, event.counter_value))
        else:
            notes = {one.name: one.string_value or one.int_value for one in event.debug_annotations}
            flows = list(event.flow_ids), list(event.terminating_flow_ids)
            track.slices.append(Slice(at, at, names[event.name_iid], len(within), notes, *flows))
            if event.type == schema.TrackEvent.TYPE_SLICE_BEGIN:
                within.append(track.slices[-1])
    assert not within
