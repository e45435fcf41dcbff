"""Whatever somebody sends as the compiler's output: what can be read is read, and the rest is counted or refused."""

import time

import pytest
from gosonde_collector.evidence.escapes import parse
from gosonde_collector.evidence.escapes.model import EXPRESSION, PARAMETER, VARIABLE
from gosonde_collector.evidence.escapes.parse import parse_escapes
from gosonde_collector.evidence.upload import EscapesUpload
from gosonde_collector.model.errors import ProfileError, Refusal

BOTH = b"""# shop.example/orders
orders/a.go:3:6: cannot inline start: unhandled op GO
orders/a.go:9:6: can inline end with cost 8 as: func() *int { x := 1; return &x }
orders/a.go:5:2: n escapes to heap:
orders/a.go:5:2:   flow: {storage for func literal} = &n:
orders/a.go:5:2:     from n (captured by a closure) at orders/a.go:6:3
orders/a.go:5:2:     from n (reference) at orders/a.go:6:3
orders/a.go:4:7: &job{...} escapes to heap:
orders/a.go:4:7:   flow: j = &{storage for &job{...}}:
orders/a.go:4:7:     from &job{...} (spill) at orders/a.go:4:7
orders/a.go:4:7:     from j := &job{...} (assign) at orders/a.go:4:4
orders/a.go:4:7:   flow: {heap} = j:
orders/a.go:4:7:     from out <- j (send) at orders/a.go:7:7
orders/a.go:3:12: leaking param: out
orders/a.go:4:7: &job{...} escapes to heap
orders/a.go:5:2: moved to heap: n
orders/a.go:8:9: ... argument does not escape
"""


def test_a_value_has_its_kind_and_the_last_step_of_its_last_flow_as_reason() -> None:
    found = parse_escapes(BOTH)
    assert [(one.line, one.kind, one.name, one.why) for one in found.values] == [
        (3, PARAMETER, "out", ""),
        (4, EXPRESSION, "&job{...}", "sent on a channel at line 7"),
        (5, VARIABLE, "n", "captured by a closure at line 6"),
    ]
    assert [(one.package, one.line, one.name) for one in found.functions] == [
        ("shop.example/orders", 3, "start"),
        ("shop.example/orders", 9, "end"),
    ]
    assert (found.is_detailed, found.kept_on_stack, found.passed_over, found.is_cut) == (True, 1, 0, False)


def test_an_append_has_its_own_reason_beside_others_at_the_same_place() -> None:
    found = parse_escapes(
        b"# shop.example\n"
        b'a.go:4:7: "illegal" escapes to heap in f:\n'
        b'a.go:4:7:   flow: {heap} \xe2\x86\x90 &{storage for "illegal"}:\n'
        b'a.go:4:7:     from panic("illegal") (call parameter) at a.go:4:7\n'
        b"a.go:4:7: append(b, s...) escapes to heap in f:\n"
        b"a.go:4:7:   flow: {heap} \xe2\x86\x90 &{storage for append(b, s...)}:\n"
        b"a.go:4:7:     from b = append(b, s...) (assign) at a.go:4:5\n"
        b"a.go:4:7: append escapes to heap\n"
    )
    assert [(one.name, one.why, one.function) for one in found.values] == [
        ("append", "assigned by b = append(b, s...)", "f")
    ]


def test_what_is_said_twice_counts_once() -> None:
    assert parse_escapes(BOTH + BOTH).values == parse_escapes(BOTH).values


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        (b"orders/a.go:5:2: something new\n", 1),
        (b"orders/a.go:99999999999999999999:2: moved to heap: n\n", 1),
        (b"make: *** [Makefile:3: build] Error 1\n", 1),
        (b"orders/a.go:5:2: moved to heap: \xff\xfe\n", 1),
        (b"x" * 200_000 + b"\n", 1),
        (b"orders/a.go:5:2: moved to heap: " + b"y" * 200_000 + b"\n", 1),
        (b"\n\n", 0),
        (b"orders/a.go:5:2: index bounds check elided\n", 0),
        (b"orders/a.go:5:2: start capturing by ref: n (addr=false assign=true width=8)\n", 0),
        (b"\x00:1:1: \x1b[31m\n", 1),
    ],
)
def test_a_line_that_is_not_understood_is_lost_alone(line: bytes, lost: int) -> None:
    found = parse_escapes(BOTH + line + BOTH)
    assert found.values == parse_escapes(BOTH).values
    assert found.passed_over == lost


def test_a_last_line_without_an_end_is_not_read_and_it_is_said() -> None:
    found = parse_escapes(BOTH + b"orders/a.go:6:2: moved to heap: cou")
    assert found.values == parse_escapes(BOTH).values
    assert (found.is_cut, found.passed_over) == (True, 1)


@pytest.mark.parametrize(
    ("data", "words", "reason"),
    [
        (b"", "none of 0 lines", Refusal.UNKNOWN_KIND),
        (b"package main\n\nfunc main() {\n}\n", "none of 4 lines is of the compiler", Refusal.UNKNOWN_KIND),
        (b"noise\n" * 5_000, "none of 1000 lines", Refusal.UNKNOWN_KIND),
        (b"# shop.example/orders\n", "none of 1 lines says what escapes", Refusal.EMPTY),
        (b"goroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x1d\n", "is of the compiler", Refusal.UNKNOWN_KIND),
    ],
)
def test_another_file_is_refused_with_the_reason(data: bytes, words: str, reason: Refusal) -> None:
    with pytest.raises(ProfileError, match=words) as refusal:
        parse_escapes(data)
    assert refusal.value.reason == reason


@pytest.mark.parametrize("data", [b"\x0a\x04\x08\x01\x10\x02" * 4, b"\x7fELF\x02\x01\x01" + bytes(9)])
def test_what_is_no_text_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(ProfileError, match="the file is no text"):
        EscapesUpload().feed(data)


def test_values_for_which_there_is_no_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MOST", 3)
    found = parse_escapes(BOTH)
    assert len(found.values) + len(found.functions) == 3
    assert found.left_out == 2


def test_the_standard_library_and_dependencies_are_counted_and_not_kept() -> None:
    foreign = b"# runtime\n/usr/lib/go/src/runtime/a.go:1:1: moved to heap: x\n# shop.example/orders\n"
    foreign += b"../go/pkg/mod/lib.example@v1.2.3/b.go:1:1: moved to heap: y\n"
    found = parse_escapes(foreign + BOTH)
    assert found.values == parse_escapes(BOTH).values
    assert found.foreign == 2


#: Lines on which a pattern that goes back and forth would take minutes.
HOSTILE = (
    b"a.go:1:1: " + b" escapes to heap in " * 3_000,
    b"a.go:1:1: x escapes to heap:\na.go:1:1:     from " + b" (a) at " * 8_000,
    b"a.go:1:1: parameter " + b" leaks to " * 6_000 + b":",
    b"a.go:1:1: can inline " + b" with cost 1 " * 4_000,
    b":" * 60_000,
    b"a.go:1:1: " + b" capturing by ref" * 3_500,
)


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_no_line_takes_more_time_than_its_length_is_worth(line: bytes) -> None:
    """Bounded by what honest lines of the same length take, many times over."""
    honest = BOTH * (len(line) * 20 // len(BOTH))
    began = time.process_time()
    parse_escapes(honest)
    needed = time.process_time() - began
    began = time.process_time()
    parse_escapes(BOTH + (line + b"\n") * 20)
    assert time.process_time() - began < 20 * needed + 1
