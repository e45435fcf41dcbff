"""What is done at the collector itself is stored with who did it; no agent can say such a thing, or hide it."""

from dataclasses import replace

import pytest
from gosonde_collector.model.by import By
from gosonde_collector.model.errors import DiskFullError
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.store.records import AuditRecord
from gosonde_collector.telemetry.own_acts import OwnActs
from gosonde_common.values.audit import MAX_DETAIL, MAX_WHO, Act, Actor

from tests.unit.collector.batches import KEY, STREAM, act, batch

SOMEBODY = By(Actor.CLIENT, "10.0.0.7 token 3f9a0c17be42")
HOUR = 3_600_000_000_000


def stored(store: DuckDBStore, host: str = "") -> list[AuditRecord]:
    return store.audit(ProcessFilter(host), 0, 100)


def test_an_act_at_a_process_is_stored_with_host_pid_and_executable(store: DuckDBStore) -> None:
    store.append([batch(1)])
    (known,) = store.processes(ProcessFilter(STREAM.host))
    OwnActs(store, lambda: HOUR).note(Act.SNAPSHOT_ASKED, SOMEBODY, STREAM.host, KEY, detail="memory")
    (record,) = stored(store, STREAM.host)
    event = record.event
    assert (record.host, record.agent, event.pid, event.exe) == (STREAM.host, "", KEY.pid, known.process.exe)
    assert (event.act, event.actor, event.who) == (Act.SNAPSHOT_ASKED, Actor.CLIENT, SOMEBODY.who)
    assert (event.detail, event.at_unix_nano) == ("memory", HOUR)


def test_why_the_analysis_asks_stands_behind_what_it_asks_for(store: DuckDBStore) -> None:
    OwnActs(store).note(Act.SNAPSHOT_ASKED, By(Actor.ANALYSIS, why="suspicion"), STREAM.host, KEY, detail="memory")
    (record,) = stored(store)
    assert record.event.detail == "memory, suspicion"


def test_the_same_act_again_is_no_event_of_its_own_but_anothers_is(store: DuckDBStore) -> None:
    acts = OwnActs(store)
    other = replace(SOMEBODY, who="10.0.0.8")
    for by in (SOMEBODY, other, SOMEBODY, other):
        acts.note(Act.BACKUP_MADE, by)
    found = [(record.event.ordinal, record.event.who) for record in stored(store)]
    assert found == [(1, other.who), (0, SOMEBODY.who)]


def test_two_runs_of_a_collector_do_not_hide_each_others_acts(store: DuckDBStore) -> None:
    for _ in range(2):
        OwnActs(store).note(Act.COLLECTOR_STARTED, By(Actor.ITSELF))
    assert [record.event.ordinal for record in stored(store)] == [0, 0]


def test_an_agent_that_knows_the_run_hides_nothing(store: DuckDBStore) -> None:
    acts = OwnActs(store)
    acts.note(Act.BACKUP_MADE, SOMEBODY)
    (first,) = stored(store)
    forged = replace(STREAM, agent_epoch=first.run)
    store.append([batch(1, stream=forged, audit=[act(1, who="somebody else")])])
    acts.note(Act.FINDINGS_MUTED, SOMEBODY, STREAM.host)
    assert {record.event.act for record in stored(store)} == {Act.BACKUP_MADE, Act.FINDINGS_MUTED, act(1).act}


def test_what_cannot_be_stored_is_not_to_be_done(store: DuckDBStore) -> None:
    acts, store.min_free_bytes = OwnActs(store), 1 << 60
    with pytest.raises(DiskFullError):
        acts.note(Act.BACKUP_MADE, SOMEBODY)
    assert stored(store) == []
    store.min_free_bytes = 0
    acts.note(Act.BACKUP_MADE, SOMEBODY)
    assert len(stored(store)) == 1, "who tries again once there is room is noted"


def test_long_names_are_cut(store: DuckDBStore) -> None:
    OwnActs(store).note(Act.FINDINGS_MUTED, By(Actor.PAGE, "n" * 10_000), detail="r" * 10_000)
    (record,) = stored(store)
    assert (len(record.event.who), len(record.event.detail)) == (MAX_WHO, MAX_DETAIL)
