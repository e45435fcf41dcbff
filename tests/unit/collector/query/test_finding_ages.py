"""A finding says how old the newest observation of its host is; one that is over does not age."""

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding, ended
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.query.query_wire import finding_message
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.telemetry.newest import Newest

from tests.unit.collector.batches import SECOND, SITE, batch

AGES = {"web-1": (90 * SECOND, True)}


def found(store: DuckDBStore) -> Finding:
    store.append([batch(n, counters=[(0, SITE.pc, 20 * n, 0)]) for n in range(1, 51)])
    analyst = Analyst(store)
    analyst.run()
    (finding,) = analyst.findings(ProcessFilter())
    return finding


def test_a_finding_of_a_silent_host_is_stale(store: DuckDBStore) -> None:
    message = finding_message(found(store), AGES["web-1"], "")
    assert (message.age_ns, message.is_stale) == AGES["web-1"]


def test_a_finding_of_a_host_that_nothing_is_known_of_is_stale(store: DuckDBStore) -> None:
    assert finding_message(found(store), Newest().age_of("web-1", 90 * SECOND), "").is_stale


def test_a_finding_that_is_over_is_final(store: DuckDBStore) -> None:
    message = finding_message(ended(found(store)), AGES["web-1"], "")
    assert (message.age_ns, message.is_stale) == (0, False)
