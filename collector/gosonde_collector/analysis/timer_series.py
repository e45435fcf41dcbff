"""Pending timers of one group over time, as steps like those of a site; docs/adr/0163 says what is judged of them."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from gosonde_common.values.timers import TimerGroup, TimerKind

from gosonde_collector.model.values import Site
from gosonde_collector.store.records import Running, Series, TimersName, TimersRead

#: Callbacks of the runtime's own timers: of sleeping goroutines, of deadlines of connections, of its own work.
RUNTIME: Final = "runtime."


def name_of(group: TimerGroup) -> TimersName:
    """What its timers have in common."""
    return TimersName(group.kind.value, group.callback, group.period_ns is not None)


def judged_groups(reading: TimersRead) -> Iterator[TimerGroup]:
    """The groups that no growing number of goroutines shows: where one waits for each, or each is a connection's, the
    finding is of goroutines."""
    for group in reading.found.groups:
        if not group.waits_in and not group.callback.startswith(RUNTIME):
            yield group


def group_in(reading: TimersRead, name: TimersName) -> TimerGroup | None:
    """The group of a name; None where the reading has none."""
    return next((group for group in judged_groups(reading) if name_of(group) == name), None)


def series_of(number: int, running: Running, name: TimersName, readings: Iterable[TimersRead]) -> Series | None:
    """How many lasting ones were pending at each reading that shows it; None where no reading does.

    Those that are due soon become more with the load, and go by themselves.
    """
    seen = [(reading.read_unix_nano, _lasting(reading, name)) for reading in readings if _shows(reading, name)]
    if not seen:
        return None
    times = np.maximum.accumulate(np.array([unix_nano for unix_nano, _ in seen], np.int64))
    counts = np.array([lasting for _, lasting in seen], np.int64)
    changed = np.flatnonzero(np.diff(counts, prepend=counts[0] - 1))
    rises = np.diff(counts[changed], prepend=counts[0])
    process = running.process
    return Series(
        host=running.host,
        process=process,
        site=Site(process.build_id, 0, name.callback, start_function=name.callback),
        unix_nano=times[changed],
        created=np.cumsum(np.maximum(rises, 0)),
        exited=np.cumsum(np.maximum(-rises, 0)),
        baseline=np.full(len(changed), counts[0], np.int64),
        mismatch=np.zeros(len(changed), np.int64),
        until_unix_nano=int(times[-1]),
        number=number,
        timers=name,
    )


def _shows(reading: TimersRead, name: TimersName) -> bool:
    """Whether it says how many of them last, none too."""
    if reading.unread or (reading.found.heap_unread and name.kind == TimerKind.CHANNEL):
        return False
    group = group_in(reading, name)
    return group.lasting is not None if group else not reading.others


def _lasting(reading: TimersRead, name: TimersName) -> int:
    group = group_in(reading, name)
    return (group.lasting or 0) if group else 0
