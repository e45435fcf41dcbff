"""A timeline shows each goroutine doing what the program says that it did, says what it missed, and ends in time."""

import dataclasses
import itertools
from collections.abc import Callable

import pytest
from gosonde_agent.golang import binary
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.ebpf import timeline as window
from gosonde_agent.watch.timeline.recording import Recorder
from gosonde_agent.watch.timeline.values import Line, Timeline
from gosonde_agent.watch.trace.seen import Trace
from gosonde_agent.watch.trace.tracing import trace_pid

from tests.go_programs import GoProgram, build, site_line
from tests.timelines import LONG, traced
from tests.versions import OLDEST_MIDDLE_NEWEST

CHANNELS = ("waiting: chan receive", "waiting: chan send")
#: A goroutine is found so that was stopped for a scan of its stack: runtime.preemptPark, past runtime.casgstatus.
PREEMPTED = "waiting: preempted"


def of_function(timeline: Timeline, name: str) -> list[Line]:
    return [line for line in timeline.lines if line.start_function == name]


def waits(lines: list[Line], *states: str) -> int:
    return sum(span.state in states for line in lines for span in line.spans)


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("version", OLDEST_MIDDLE_NEWEST)
def test_goroutines_wait_as_often_and_for_what_the_program_says(
    go_program: Callable[..., GoProgram], version: str
) -> None:
    program = go_program("timeline", version=version)
    seen, timeline, answers = traced(program, "rally 200", "nap 20", "born 100", "gc 3")
    assert timeline.lost == 0
    assert timeline.why_ended == "the time was over"
    # Whoever comes first to an unbuffered channel waits: two for each round, and serve perhaps once more for the end.
    pair = of_function(timeline, "main.rally") + of_function(timeline, "main.serve")
    assert 400 <= waits(pair, *CHANNELS) <= 401
    assert waits(of_function(timeline, "main.nap"), "waiting: sleep") == 20
    ended = [line for line in timeline.lines if line.created_by.line == site_line("timeline", "born")]
    assert len(ended) == 100
    assert all(0 < line.born_ns < line.ended_ns for line in ended)
    created = [line for line in timeline.lines if line.born_ns]
    assert len(created) == sum(site.created for site in seen.sites)
    assert len([line for line in timeline.lines if line.ended_ns]) == sum(site.exited for site in seen.sites)
    within = [one for one in seen.cycles if one.start_unix_nano >= timeline.begin_ns + timeline.to_unix_ns]
    assert len(within) == answers[3]["cycles"] >= 3


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("version", OLDEST_MIDDLE_NEWEST)
def test_a_line_has_no_gap_and_says_which_change_nobody_saw(go_program: Callable[..., GoProgram], version: str) -> None:
    program = go_program("timeline", version=version)
    _seen, timeline, _answers = traced(program, "rally 100", "gc 5")
    unseen = 0
    for line in timeline.lines:
        assert line.spans
        assert line.spans[0].begin_ns == (line.born_ns or timeline.begin_ns)
        assert line.spans[-1].end_ns == (line.ended_ns or timeline.end_ns)
        assert all(before.end_ns == after.begin_ns for before, after in itertools.pairwise(line.spans))
        doubtful = [span.state for span in line.spans if ", then " in span.state]
        assert all(state.endswith(f", then {PREEMPTED}") for state in doubtful)
        assert len(doubtful) == line.unseen
        unseen += line.unseen
    assert unseen == timeline.unseen


@pytest.mark.usefixtures("ebpf")
def test_it_is_shown_who_woke_and_who_made_whom(go_program: Callable[..., GoProgram]) -> None:
    program = go_program("timeline")
    _seen, timeline, _answers = traced(program, "rally 50")
    names = [line.start_function for line in timeline.lines]
    made = {(names[wake.by], names[wake.woken]) for wake in timeline.wakes if wake.is_birth and wake.by >= 0}
    assert ("main.rally", "main.serve") in made
    (serve,) = of_function(timeline, "main.serve")
    (rally,) = of_function(timeline, "main.rally")
    assert serve.parent == rally.goid
    woken = [wake for wake in timeline.wakes if not wake.is_birth and names[wake.woken] in {"main.serve", "main.rally"}]
    assert len(woken) >= 100
    assert {names[wake.by] for wake in woken if wake.by >= 0} <= {"main.rally", "main.serve", "runtime.main"}


@pytest.mark.usefixtures("ebpf")
def test_who_does_nothing_is_there_from_begin_to_end(go_program: Callable[..., GoProgram]) -> None:
    program = go_program("timeline")
    _seen, timeline, _answers = traced(program, "nap 1")
    (line,) = of_function(timeline, "main.waitForever")
    assert [(one.state, one.begin_ns, one.end_ns) for one in line.spans] == [
        ("waiting: chan receive", timeline.begin_ns, timeline.end_ns)
    ]
    assert line.created_by.line == site_line("timeline", "forever")
    assert timeline.live is not None
    assert timeline.live >= 2


@pytest.mark.usefixtures("ebpf")
def test_a_busy_program_ends_its_timeline_early_and_is_counted_on(go_program: Callable[..., GoProgram]) -> None:
    program = go_program("timeline")
    seen, timeline, _answers = traced(program, "rally 3000", "born 200", seconds=0.2)
    assert timeline.why_ended == "the budget was spent"
    assert 0 < timeline.changes <= timeline.most_hits < timeline.hits
    assert timeline.cost_ns > 0
    created = {site.site.start_function: site.created for site in seen.sites}
    assert (created["main.end"], created["main.rally"], created["main.serve"]) == (200, 1, 1)
    assert sum(site.exited for site in seen.sites) == sum(site.created for site in seen.sites)


@pytest.mark.usefixtures("ebpf")
def test_changes_without_room_are_counted(
    go_program: Callable[..., GoProgram], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "LOOK_SECONDS", LONG)
    program = go_program("timeline")
    _seen, timeline, _answers = traced(program, "rally 10000")
    assert timeline.lost > 0
    # What is neither recorded nor lost is a stack that moved: not a hundred in so short a program.
    assert timeline.hits - 100 <= timeline.changes + timeline.lost <= timeline.hits


@pytest.mark.usefixtures("ebpf")
def test_a_process_that_ends_has_a_timeline_to_its_end(go_program: Callable[..., GoProgram]) -> None:
    program = go_program("timeline")

    def tell(elapsed: float, _seen: Trace) -> None:
        if not elapsed:
            program.ask("nap 3")
            program.ask("quit")

    with trace_pid(program.pid, LONG, tell, "ebpf", recorder=Recorder(LONG)) as seen:
        assert seen.timeline is not None
        assert seen.timeline.why_ended == "the process ended"
        assert waits(of_function(seen.timeline, "main.nap"), "waiting: sleep") == 3


def test_only_ebpf_has_timelines(go_program: Callable[..., GoProgram]) -> None:
    program = go_program("timeline")
    with (
        pytest.raises(UnsupportedBinaryError, match="a timeline needs the source ebpf; this is memory"),
        trace_pid(program.pid, 1.0, lambda _elapsed, _seen: None, "memory", recorder=Recorder(1.0)),
    ):
        pass


def test_a_binary_without_a_proved_place_says_so() -> None:
    path = build("timeline")
    with path.open("rb") as file:
        known = binary.load(file.fileno(), str(path))
    points = {name: point for name, point in known.points.items() if name != "status_changed"}
    unproved = dataclasses.replace(known, points=points, unproved={"status_changed": "it is obfuscated"})
    with pytest.raises(UnsupportedBinaryError, match=r"no timeline: .* status changes: it is obfuscated"):
        window.status_place(unproved, 1, 1)
