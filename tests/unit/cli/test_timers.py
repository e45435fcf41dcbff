"""`gosonde timers` shows groups of timers, and says what it does not know of them."""

from dataclasses import asdict
from typing import Any

import pytest
from gosonde_cli.commands.timers import AskedOfTimers, gaps, table
from gosonde_cli.rendering import cell, size
from gosonde_common.errors import UsageError
from gosonde_common.values.timers import PendingTimers, TimerGroup, TimerKind

CALLS = TimerGroup("main.remind", "", TimerKind.FUNC, 1_200, 3_600_000_000_000, None, 2_048, 1_200)
TICKS = TimerGroup("time.sendTime", "main.tick", TimerKind.CHANNEL, 3, 0, 5_000_000_000, None, 3)
KEYS = {"callback", "waits_in", "kind", "pending", "next_in_ns", "period_ns", "retained_heap_bytes", "lasting"}


def test_a_row_has_what_is_known_and_dashes_for_the_rest() -> None:
    found = table(PendingTimers([CALLS, TICKS]))
    assert [[cell(value) for value in row.cells] for row in found.rows] == [
        ["1,200", "1 h 0 min", "-", "main.remind", "-", "2.0 KiB", "func"],
        ["3", "0 ns", "5 s", "time.sendTime", "main.tick", "-", "channel"],
    ]
    assert [row.document for row in found.rows] == [asdict(CALLS), asdict(TICKS)]
    assert set(asdict(CALLS)) == KEYS
    assert found.notes == ["1,203 pending timers in all"]


def test_a_function_is_looked_for_in_both_columns() -> None:
    found = PendingTimers([CALLS, TICKS])
    assert [row.document["pending"] for row in table(found, "remind").rows] == [1_200]
    assert [row.document["pending"] for row in table(found, "tick").rows] == [3]
    assert (table(found, "other").empty, table(PendingTimers([])).empty) == (
        "No such timer is pending.",
        "No timer is pending.",
    )


def test_estimates_are_marked() -> None:
    found = table(PendingTimers([CALLS], each_stands_for=2.5))
    assert cell(found.rows[0].cells[0]) == "~1,200"
    assert found.notes == ["about 1,200 pending timers in all"]
    assert found.gaps == ["numbers are estimates: one timer in 2.5 was read, because there are so many"]


def test_what_is_not_counted_is_said() -> None:
    lines = list(gaps(PendingTimers([], changing=1, unproved=2, heap_unread="no\nheap")))
    assert len(lines) == 3
    assert lines[0] == "not counted: 1 timer that changed each time while being read"
    assert lines[1].startswith("not counted: 2 timers of channels that nobody waits for")
    assert lines[2].endswith(r"no\x0aheap")
    assert list(gaps(PendingTimers([]))) == []


def test_sizes_have_the_unit_that_suits() -> None:
    assert [size(number) for number in (0, 1_023, 1_024, 1 << 20, 3 << 30)] == [
        "0 bytes",
        "1,023 bytes",
        "1.0 KiB",
        "1.0 MiB",
        "3.0 GiB",
    ]


@pytest.mark.parametrize("given", [{"host": "web-1"}, {"exe": "orders"}])
def test_a_host_or_an_executable_is_chosen_of_what_a_collector_knows(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="give --collector"):
        AskedOfTimers(**given)
    asked = AskedOfTimers(collector="centre:9317", **given).of_collector
    assert (asked.collector, asked.host, asked.exe) == ("centre:9317", given.get("host", ""), given.get("exe", ""))
