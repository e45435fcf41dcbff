"""The page of a process shows its pending timers as the newest reading has them, with how many there were before."""

from collections.abc import Callable
from pathlib import Path

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import DuckDBStore, open_store
from gosonde_collector.web import process_rows, timer_section

from tests.hostile_text import SENDABLE, unshown
from tests.unit.collector.batches import KEY, SITE, STREAM, batch
from tests.unit.collector.web.conftest import Served
from tests.unit.collector.web.test_findings_list import MARKUP


def shown(store: DuckDBStore) -> timer_section.TimerSection:
    past = store.past(STREAM.host, KEY)
    assert past is not None
    (row,) = process_rows.rows(store.processes(ProcessFilter()), Analyst(store), {}, 0)
    return timer_section.section(store, row, past)


def test_the_newest_reading_is_shown_with_what_was_pending_before(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number, pending in ((1, 10), (20, 20), (40, 30)):
        counters = [(0, SITE.pc, number, 0)]
        store.append([batch(number, counters=counters, timers=[(0, "main.expire", pending)])])
    found = shown(store)
    document = timer_section.document(found)
    assert document is not None
    assert (document["pending"], document["unread_because"], document["is_estimated"]) == (30, "", False)
    (group,) = document["groups"]
    assert (group["callback"], group["pending"], group["next_in_ns"]) == ("main.expire", 30, 5)
    line = [pending for pending in group["pending_then"] if pending]
    assert line == sorted(line)
    assert set(line) == {10, 20, 30}
    store.close()


def test_a_process_whose_timers_nobody_read_has_none(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append([batch(1, counters=[(0, SITE.pc, 1, 0)])])
    assert timer_section.document(shown(store)) is None
    store.close()


def test_callbacks_of_strangers_are_text_alone(serving: Callable[..., Served]) -> None:
    strange = MARKUP + SENDABLE
    page = serving(batches=[batch(1, counters=[(0, SITE.pc, 1, 0)], timers=[(0, strange, 10)])])
    address = f"/processes/{STREAM.host}/{KEY.pid}"
    text = page.get(address).text
    assert "{{ 7 * 7 }}" in text.partition('id="timers"')[2]
    assert text.count("<script") == text.count('<script src="/static/')
    assert "<img" not in text
    for shown_there in (text, page.get(f"{address}?format=json").text):
        assert unshown(shown_there.replace("\n", "")) == []
