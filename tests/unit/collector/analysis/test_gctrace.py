"""gctrace lines are read whatever stands around them, refused when damaged, and held against what was measured."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from gosonde_collector.analysis.gctraces import GcTraces, compare, witness
from gosonde_collector.analysis.growth import Growth
from gosonde_collector.analysis.slope import Slope
from gosonde_collector.evidence.gctrace import (
    MAX_BYTES,
    MB,
    GcTraceLine,
    parse_gctrace,
)
from gosonde_collector.model.errors import ProfileError
from gosonde_collector.model.values import GcCycle, Pause
from gosonde_collector.store.records import Series
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.collector.batches import KEY, SECOND, START, process
from tests.unit.collector.series import series_of, steps

LOGS = Path(__file__).parents[3] / "fixtures" / "gctrace"
NEW = (
    "gc 7 @0.104s 3%: 0.021+0.57+0.004 ms clock, 0.16+0.33/0.9/0+0.03 ms cpu, 4->5->1 MB, 6 MB goal, 2 MB stacks, "
    "0 MB globals, 8 P (forced)"
)
OLD = "gc 1 @0.012s 2%: 0.026+0.39+0.10 ms clock, 0.21+0.88/0.52/0+0.84 ms cpu, 4->4->0 MB, 5 MB goal, 8 P"


def text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def line(cycle: int, at_s: float, *, stopped_ns: int = 100_000, marked_mb: int = 1, stacks_mb: int = 1) -> GcTraceLine:
    at = int(at_s * SECOND)
    return GcTraceLine(cycle, at, 0, stopped_ns, MB, MB, marked_mb * MB, 4 * MB, stacks_mb * MB, forced=False)


def test_a_line_of_today_and_one_of_long_ago_are_read() -> None:
    old, new = parse_gctrace(text(OLD, "hello", NEW)).lines
    assert (new.cycle, new.at_ns, new.stopped_ns) == (7, 104_000_000, 25_000)
    assert (new.heap_before_bytes, new.heap_end_bytes, new.heap_marked_bytes) == (4 * MB, 5 * MB, MB)
    assert (new.goal_bytes, new.stacks_bytes, new.forced) == (6 * MB, 2 * MB, True)
    assert (old.sweep_termination_ns, old.mark_termination_ns, old.stacks_bytes) == (26_000, 100_000, None)


def test_what_else_the_program_writes_is_passed_over_and_counted() -> None:
    trace = parse_gctrace(text("starting", "scvg: 1 MB released", OLD, "the gc 1 @ is not a line", ""))
    assert (len(trace.lines), trace.others) == (1, 4)


def test_a_log_daemon_may_stand_before_the_line() -> None:
    assert parse_gctrace(text(f"Nov 23 21:00:00 web-1 app[4711]: {OLD}")).lines[0].cycle == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (text(NEW, OLD), "it is of several processes"),
        (text(OLD, OLD), "it is of several processes"),
        (bytes(MAX_BYTES + 1), "larger than"),
    ],
    ids=["backwards", "twice", "too large"],
)
def test_a_mixed_or_huge_log_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ProfileError, match=words):
        parse_gctrace(data)


@pytest.mark.parametrize(
    "torn",
    [OLD[:60], OLD.replace("0.39", "0.39.1"), "gc 99999999999 @0.1s 1%: "],
    ids=["cut off", "no number", "huge number"],
)
def test_a_torn_line_is_passed_over_and_counted_and_the_log_is_not(torn: str) -> None:
    trace = parse_gctrace(text(OLD, torn, NEW))
    assert [found.cycle for found in trace.lines] == [1, 7]
    assert (trace.others, trace.torn) == (1, 1)


@pytest.mark.parametrize(
    ("name", "cycles", "torn"),
    [
        ("plain", [1, 2, 3, 4, 5], 0),
        ("compose", [1, 2, 3, 4, 5], 0),
        ("cri", [1, 2, 3, 4, 5], 0),
        ("syslog-no-pid", [1, 2, 3, 4, 5], 0),
        ("timestamps", [1, 2, 3, 4, 5], 0),
        ("cut-last", [1, 2, 3, 4, 5], 1),
        ("glued-after", [1, 2, 3, 4, 5], 0),
        ("glued-before", [1, 2, 3, 4, 5], 0),
        ("other-line", [1, 2, 3, 4, 5], 0),
        ("torn", [1, 3, 4, 5], 1),
        ("forced", [1, 2, 3, 4], 0),
        ("old", [1], 0),
    ],
)
def test_a_log_from_the_field_shows_its_cycles(name: str, cycles: list[int], torn: int) -> None:
    trace = parse_gctrace((LOGS / f"{name}.log").read_bytes())
    assert [found.cycle for found in trace.lines] == cycles
    assert trace.torn == torn
    if name not in {"forced", "old"}:
        assert set(trace.lines) <= set(parse_gctrace((LOGS / "plain.log").read_bytes()).lines)


QUOTES: dict[str, Callable[[list[str]], str]] = {
    "docker": lambda lines: "".join(json.dumps({"log": f"{one}\n", "stream": "stderr"}) + "\n" for one in lines),
    "zap": lambda lines: "".join(json.dumps({"level": "info", "msg": one}) + "\n" for one in lines),
    "a list": lambda lines: json.dumps([{"textPayload": one} for one in lines], indent=1),
    "journald": lambda lines: "".join(json.dumps({"MESSAGE": list(one.encode())}) + "\n" for one in lines),
    "JSON behind a prefix": lambda lines: "".join(f"web-1 | {json.dumps({'log': one})}\n" for one in lines),
    "CRLF": "\r\n".join,
    "bytes of 0": lambda lines: "\0" * 9_000 + "\0\n".join(lines),
    "the pacer's lines": lambda lines: "".join(
        f"pacer: 25% CPU (25 exp.) for 1+2\n{one}\nscvg: 8 KB\n" for one in lines
    ),
}


@pytest.mark.parametrize("quote", QUOTES)
def test_a_log_that_quotes_lines_shows_the_same_cycles(quote: str) -> None:
    plain = (LOGS / "plain.log").read_text()
    assert parse_gctrace(QUOTES[quote](plain.splitlines()).encode()).lines == parse_gctrace(plain.encode()).lines


def test_foreign_bytes_colours_and_glued_lines_hide_no_cycle() -> None:
    data = b"\xff\xfe\xfa serving\n\x1b[36mweb-1 |\x1b[0m " + OLD.encode() + b"\r\n" + b"x" * 9_000 + NEW.encode()
    assert [found.cycle for found in parse_gctrace(data).lines] == [1, 7]
    assert [found.cycle for found in parse_gctrace(text(OLD + NEW)).lines] == [1, 7]


@given(st.text())
def test_no_text_breaks_the_parser(tail: str) -> None:
    with suppress(ProfileError):
        assert parse_gctrace(f"gc 1 @{tail}".encode(errors="replace"))


def test_lines_are_kept_once_and_belong_to_one_process() -> None:
    traces = GcTraces()
    traces.add("web-1", process(), [line(1, 1), line(2, 2)], START + 60 * SECOND)
    traces.add("web-1", process(), [line(2, 2), line(3, 3)], START + 60 * SECOND)
    assert [known.cycle for known in traces.of("web-1", KEY)] == [1, 2, 3]
    assert traces.of("web-2", KEY) == ()


def test_a_log_of_a_process_that_runs_longer_is_another_ones() -> None:
    with pytest.raises(ProfileError, match="the log is of another process"):
        GcTraces().add("web-1", process(), [line(900, 3_600)], START + 60 * SECOND)


def cycle(number: int, at_s: float, stopped_ns: int) -> GcCycle:
    began = START + int(at_s * SECOND)
    pauses = (Pause(began, stopped_ns, "GC mark termination"), Pause(began, 10**9, "read mem stats"))
    return GcCycle("web-1", KEY, "/srv/app", number, began, began + 10**6, pauses)


def test_stops_of_the_world_are_compared_cycle_by_cycle() -> None:
    compared = compare(process(), [line(1, 1), line(2, 2), line(3, 3)], [cycle(2, 2, 1_100_000), cycle(1, 1, 150_000)])
    assert (compared.agreeing, compared.differing, compared.largest_difference_ns) == (1, 1, 1_000_000)


def test_cycles_before_the_probes_came_are_found_by_their_time() -> None:
    late = process(counted_from_start=False)
    compared = compare(late, [line(7, 7), line(8, 8)], [cycle(1, 8.01, 110_000)])
    assert (compared.agreeing, compared.differing) == (1, 0)


def series() -> Series:
    found = steps([100 * second for second in range(1, 61)])
    described = replace(process(), started_unix_nano=START)
    return series_of(found, described)


def growth(grown: int) -> Growth:
    return Growth(60, Slope(1, 1, 1), grown, grown, 0, START, "steady", 60.0)


@pytest.mark.parametrize(
    ("heap", "stacks", "grown", "verdict"),
    [
        (range(10, 20), [1] * 10, 100, "agrees"),
        ([5] * 10, range(1, 11), 6_000, "agrees"),
        ([5] * 10, [1] * 10, 100_000, "disagrees"),
        ([5] * 10, [1] * 10, 6_000, "silent"),
        ([5] * 10, [1] * 10, 100, "silent"),
    ],
    ids=["heap rises", "stacks rise", "stacks must rise and do not", "little in use of many", "too few to see"],
)
def test_memory_that_grows_along_or_does_not_is_a_witness(
    heap: list[int], stacks: list[int], grown: int, verdict: str
) -> None:
    lines = [line(n, 6 * n, marked_mb=heap[n], stacks_mb=stacks[n]) for n in range(1, 10)]
    assert witness(series(), growth(grown), lines).verdict == verdict


def test_stacks_need_not_rise_for_what_grew_before_the_first_cycle_of_a_log() -> None:
    lines = [line(n, 58 + n / 4) for n in range(1, 6)]
    assert witness(series(), growth(100_000), lines).verdict == "silent"


def test_few_cycles_or_none_say_nothing() -> None:
    assert witness(series(), growth(100), []).verdict == "silent"
    assert witness(series(), growth(100), [line(1, 1), line(2, 50)]).verdict == "silent"
