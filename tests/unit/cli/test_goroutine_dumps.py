"""Dumps say of each goroutine what was read of it, however many share their stack."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from gosonde_cli import goroutine_groups, goroutine_json, goroutine_text, kept_texts
from gosonde_common import foreign
from gosonde_common.values.goroutines import MAIN_GOROUTINE, REGISTERS, GoroutineColumns, Location

from tests.unit.cli.goroutine_columns import HERE, THERE, columns, kind

MINUTE_NS = 60_000_000_000
#: Quotes, an escape of a terminal, letters that are not ASCII, and one that turns the line around.
NASTY = Location('main."\x1b[2J', "/src/käse\u202e.go", 3)


def grouped(found: Iterable[GoroutineColumns]) -> Iterator[str]:
    """All groups, with whole names."""
    groups = goroutine_groups.groups_of(found)
    return goroutine_text.grouped(groups, groups.rows())


def member(place: Location) -> dict[str, Any]:
    return {"function": place.function, "file": place.file, "line": place.line}


def row(found: GoroutineColumns, index: int) -> dict[str, Any]:
    """As docs/goroutines.md has it."""
    shared = found.kinds[index]
    return {
        "goid": found.goids[index],
        "status": shared.status,
        "wait_reason": shared.wait_reason,
        "wait_ns": found.waits_ns[index],
        "created_by": member(shared.created_by),
        "start_function": shared.start_function,
        "parent_goid": found.parent_goids[index],
        "thread_id": found.thread_ids[index],
        "locked": found.locked[index],
        "labels": {},
        "system": shared.system,
        "active": shared.active,
        "unread": shared.unread,
        "complete": shared.complete,
        "stack_from": shared.stack_from or None,
        "cause": shared.cause,
        "because": shared.because,
        "stack": [member(place) for place in shared.stack],
    }


def test_json_is_what_a_document_of_all_goroutines_would_be() -> None:
    shared = kind(HERE, THERE)
    found = columns(
        shared, kind(NASTY, HERE, wait_reason='"'), shared, kind(), waits=(None, 0, 5, 7), first=(1 << 64) - 9
    )
    rows = [row(found, index) for index in range(4)]
    text = "".join(goroutine_json.document([found, found]))
    assert text == "[\n  " + ",\n  ".join(foreign.dumps(each) for each in rows + rows) + "\n]\n"
    assert json.loads(text) == rows + rows
    assert "\x1b" not in text
    assert "".join(goroutine_json.document([])) == "[]\n"


def test_goroutines_one_by_one_read_like_those_of_pprof() -> None:
    shared = kind(HERE)
    found = columns(
        shared,
        kind(NASTY, created_by=Location("", "", 0)),
        kind(HERE, system=True),
        kind(status="running", wait_reason=""),
        shared,
        waits=(2 * MINUTE_NS, MINUTE_NS - 1, None, None, MINUTE_NS),
    )
    created = "created by main.main{}\n\t/src/main.go:9\n\n"
    assert "".join(goroutine_text.one_by_one([found])) == (
        "goroutine 10 [chan receive, 2 minutes]:\nmain.wait(...)\n\t/src/main.go:7\n" + created.format("")
        + "goroutine 11 [chan receive, locked to thread]:\n"
        + 'main."\\x1b[2J(...)\n\t/src/käse\\u202e.go:3\n\n'
        + "goroutine 13 [running, locked to thread]:\n\tgoroutine running on other thread; stack unavailable\n"
        + created.format(" in goroutine 1")
        + "goroutine 14 [chan receive, 1 minutes]:\nmain.wait(...)\n\t/src/main.go:7\n"
        + created.format(" in goroutine 1")
    )  # fmt: skip


def test_the_first_goroutine_was_created_by_nobody() -> None:
    found = columns(kind(HERE, created_by=MAIN_GOROUTINE), first=1)
    assert "created by" not in "".join(goroutine_text.one_by_one([found]))


def test_groups_are_made_of_what_goroutines_say_whether_they_share_it_or_not() -> None:
    blocks = [
        columns(kind(HERE), kind(THERE), waits=(3 * MINUTE_NS, None)),
        columns(kind(THERE), kind(HERE, system=True), kind(THERE), waits=(0, 9 * MINUTE_NS, None)),
    ]
    assert list(grouped(blocks)) == [
        "goroutine profile: total 4, and 1 of the runtime's own",
        *("", "3 @ chan receive, up to 0 ns", "#\tmain.main\t/src/main.go:9"),
        "# created by main.main\t/src/main.go:9",
        *("", "1 @ chan receive, up to 3 min 0 s", "#\tmain.wait\t/src/main.go:7"),
        "# created by main.main\t/src/main.go:9",
    ]


@pytest.mark.parametrize("most_kinds", [2, 10_000])
def test_groups_of_one_size_come_in_the_order_in_which_they_were_read(
    monkeypatch: pytest.MonkeyPatch, most_kinds: int
) -> None:
    monkeypatch.setattr(goroutine_groups, "MOST_KINDS", most_kinds)
    kinds = [kind(Location(f"main.f{number}", "/f.go", number)) for number in range(9)]
    lines = list(grouped([columns(*kinds[:4]), columns(*kinds[4:])]))
    assert [line for line in lines if "main.f" in line] == [f"#\tmain.f{number}\t/f.go:{number}" for number in range(9)]


def test_the_largest_groups_stay_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goroutine_groups, "MOST_CALLS", 10 * (goroutine_groups.GROUP_CALLS + 1))
    monkeypatch.setattr(goroutine_groups, "MOST_KINDS", 1)
    small = [kind(Location(f"main.f{number}", "/f.go", number)) for number in range(95)]
    large = kind(HERE)
    blocks = [columns(*small[start : start + 5], large) for start in range(0, 95, 5)]
    lines = list(grouped(blocks))
    shown = [int(line.split(" @ ")[0]) for line in lines if " @ " in line]
    assert lines[0] == "goroutine profile: total 114, and 0 of the runtime's own"
    assert shown[0] == 19
    assert len(shown) <= 10
    left_out = 114 - sum(shown)
    assert lines[-1] == f"{left_out} in small groups that are left out: there are too many; --each has all of them"


def test_texts_that_there_is_no_room_for_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [kind(Location(f"main.f{number}", "/f.go", number), HERE) for number in range(9)]
    found = [columns(*kinds), columns(*kinds)]
    expected = "".join(goroutine_json.document(found))
    monkeypatch.setattr(kept_texts, "MOST_KEPT", 600)
    assert "".join(goroutine_json.document(found)) == expected


def test_a_group_says_what_a_stop_has_shown_of_it() -> None:
    busy = kind(HERE, stack_from=REGISTERS, cause="busy-loop", because="it ran in \x1b[2J")
    lines = list(grouped([columns(busy, busy, kind(HERE))]))
    at = lines.index("2 @ chan receive")
    assert lines[at + 1] == "# stack from registers, at the last stop"
    assert lines[at + 2].startswith("# busy-loop: it ran in ")
    assert "\x1b" not in lines[at + 2]
    assert lines[lines.index("1 @ chan receive") + 1].startswith("#\tmain.wait")
