"""Goroutines in columns, as tests of what prints them need them."""

from collections.abc import Sequence
from typing import Any

from gosonde_common.values.goroutines import MEMORY, GoroutineColumns, Kind, Labels, Location

HERE, THERE = Location("main.wait", "/src/main.go", 7), Location("main.main", "/src/main.go", 9)


def kind(*stack: Location, **changed: Any) -> Kind:
    values: dict[str, Any] = {
        "status": "waiting",
        "wait_reason": "chan receive",
        "created_by": THERE,
        "start_function": "main.wait",
        "system": False,
        "active": not stack,
        "complete": bool(stack),
        "stack": stack,
        "stack_from": MEMORY if stack else "",
    }
    return Kind(**(values | changed))


def columns(
    *kinds: Kind, waits: Sequence[int | None] = (), first: int = 10, labels: Sequence[Labels] = ()
) -> GoroutineColumns:
    """One goroutine of each kind; every second one is locked, and all but the first have a parent."""
    count = len(kinds)
    return GoroutineColumns(
        kinds=kinds,
        goids=range(first, first + count),
        waits_ns=waits or [None] * count,
        parent_goids=[0, *[1] * count][:count],
        thread_ids=[0] * count,
        locked=[index % 2 == 1 for index in range(count)],
        labels=labels or [()] * count,
    )
