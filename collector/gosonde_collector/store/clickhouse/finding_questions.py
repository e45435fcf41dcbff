"""What analysis asks: totals as they came, series of sites, searches of memory and pending timers."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from gosonde_collector.model.values import ProcessKey, Search, Site
from gosonde_collector.store import queries, rows
from gosonde_collector.store.clickhouse.filling import RUN, RUNS, Filling, newest
from gosonde_collector.store.clickhouse.process_questions import NUMBERED, ProcessQuestions
from gosonde_collector.store.clickhouse.server import Given
from gosonde_collector.store.clickhouse.tables import COLUMNS
from gosonde_collector.store.reading import Reader
from gosonde_collector.store.records import Counters, Estimates, Series, TimersRead

COUNTERS: Final = ("process", "pc", "taken_unix_nano", "created", "exited", "baseline", "mismatch")
SITE: Final = {"process": "Int64", "pc": "UInt64"}
WANTED: Final = "AND (process, pc) IN (SELECT process, pc FROM wanted)"
SPANS: Final = {"process": "Int64", "host": "String", "first": "Int64", "last": "Int64"}

NEXT_BATCHES: Final = (
    "SELECT stored_unix_nano FROM batches WHERE stored_unix_nano > %(after)s ORDER BY stored_unix_nano LIMIT %(most)s"
)
EARLIEST: Final = """
SELECT min(taken_unix_nano) FROM batches WHERE stored_unix_nano > %(after)s AND stored_unix_nano <= %(last)s
"""
FRESH_RUNS: Final = f"""
SELECT {RUN}, min(sequence), max(sequence) FROM batches
WHERE stored_unix_nano > %(after)s AND stored_unix_nano <= %(last)s GROUP BY {RUN}
"""  # noqa: S608 - constants
FRESH_PROCESSES: Final = f"SELECT DISTINCT process, {RUN} FROM processes WHERE ({RUN}) IN (SELECT {RUN} FROM fresh)"  # noqa: S608
#: A row that was written twice counts once.
NEW_COUNTERS: Final = """
SELECT process, pc, any(taken_unix_nano), any(created), any(exited), any(baseline), any(mismatch) FROM site_counters
ALL INNER JOIN (SELECT process, first, last FROM spans) AS of_spans USING (process)
WHERE host IN (SELECT host FROM spans) AND process IN (SELECT process FROM spans)
    AND sequence >= first AND sequence <= last AND taken_unix_nano >= %(earliest)s
GROUP BY process, pc, sequence ORDER BY process, sequence
"""


class FindingQuestions(ProcessQuestions):
    """Questions of `protocol.Store`."""

    def searches(self) -> dict[int, Search]:
        """See Store."""
        with self._running() as filling:
            _fill_searches(filling)
            return Reader(filling.connection).searches()

    def search(self, host: str, process: ProcessKey) -> Search | None:
        """See Store."""
        with self._one(host, process) as filling:
            _fill_searches(filling)
            return Reader(filling.connection).search(host, process)

    def timers(self, host: str, process: ProcessKey, lookback_ns: int) -> list[TimersRead]:
        """See Store."""
        with self._one(host, process) as filling:
            filling.counted("timer_readings")
            ((newest_unix_nano,),) = filling.rows("SELECT max(taken_unix_nano) FROM timer_readings")
            if newest_unix_nano is not None:
                filling.connection.execute("DELETE FROM timer_readings")
                since = newest_unix_nano - lookback_ns
                filling.counted("timer_readings", "sequence", where="AND taken_unix_nano >= %(since)s", since=since)
            return Reader(filling.connection).timers(host, process, lookback_ns)

    def newest_timers(self, within_ns: int) -> dict[int, TimersRead]:
        """See Store."""
        with self._running(within_ns) as filling:
            filling.counted("timer_readings", where="AND taken_unix_nano >= moment")
            return Reader(filling.connection).newest_timers(within_ns)

    def base_counters(self, lookback_ns: int) -> Counters:
        """See Store."""
        with self._running(lookback_ns) as filling:
            moments = [row[-1] for row in filling.chosen.rows]
            stored = self._base_stored(min(moments)) if moments else 0
            filling.counted("site_counters", "pc", where="AND taken_unix_nano < moment")
            found = filling.connection.execute(queries.BASE_COUNTERS, (lookback_ns,)).fetchnumpy()
            return rows.counters(found, stored)

    def _base_stored(self, since_unix_nano: int) -> int:
        ((number, first),) = self._server.rows(
            "SELECT count(), min(stored_unix_nano) FROM batches WHERE taken_unix_nano >= %(since)s",
            since=since_unix_nano,
        )
        return int(first) - 1 if number else 0

    def new_counters(self, stored_unix_nano: int, batches: int) -> Counters | None:
        """See Store."""
        next_ones = self._server.rows(NEXT_BATCHES, after=stored_unix_nano, most=batches)
        if not next_ones:
            return None
        period = {"after": stored_unix_nano, "last": next_ones[-1][0]}
        ((earliest,),) = self._server.rows(EARLIEST, **period)
        nothing = [np.empty(0, np.int64)] * len(COUNTERS)
        found = self._server.columns(NEW_COUNTERS, self._spans(**period), earliest=earliest) or nothing
        return rows.counters(dict(zip(COUNTERS, found, strict=True)), period["last"])

    def _spans(self, after: int, last: int) -> Given:
        """The processes of the runs that sent the batches of a period, with their first and last sequence in it."""
        runs = {row[:3]: row[3:] for row in self._server.rows(FRESH_RUNS, after=after, last=last)}
        fresh = Given("fresh", RUNS, [(*run, 0) for run in runs])
        found = self._server.rows(FRESH_PROCESSES, fresh)
        return Given("spans", SPANS, [(number, run[0], *runs[tuple(run)]) for number, *run in found])

    def series(self, sites: Sequence[tuple[int, int]], lookback_ns: int) -> list[Series]:
        """See Store."""
        if not sites:
            return []
        with self._numbered([number for number, _ in sites], lookback_ns) as filling:
            _fill_steps(filling, sites)
            return Reader(filling.connection).series(sites, lookback_ns)

    def site_series(self, host: str, process: ProcessKey, pc: int, lookback_ns: int) -> Series | None:
        """See Store."""
        with self._one(host, process) as filling:
            numbers = [row[0] for row in filling.chosen.rows]
            filling.choose(NUMBERED, (numbers,), lambda one: one.last_unix_nano - lookback_ns)
            _fill_steps(filling, [(number, pc) for number in numbers])
            return Reader(filling.connection).site_series(host, process, pc, lookback_ns)

    def estimates(self, sites: Sequence[tuple[int, int]], lookback_ns: int) -> dict[tuple[int, int], Estimates]:
        """See Store."""
        if not sites:
            return {}
        with self._numbered([number for number, _ in sites]) as filling:
            filling.counted("site_estimates", "pc", "sequence", where=WANTED, given=[Given("wanted", SITE, sites)])
            return Reader(filling.connection).estimates(sites, lookback_ns)

    def site_names(self, build_id: str, pcs: Sequence[int]) -> list[Site]:
        """See Store."""
        asked = Given("asked", {"pc": "UInt64"}, [(pc,) for pc in pcs])
        columns = newest("site_names", "build_id", "pc", by="stored_unix_nano")
        found = self._server.rows(
            f"SELECT {columns} FROM site_names "  # noqa: S608 - constants
            "WHERE build_id = %(build)s AND pc IN (SELECT pc FROM asked) GROUP BY build_id, pc",
            asked,
            build=build_id,
        )
        named = {row[1]: Site(*row[:-1]) for row in found}
        return [named.get(pc, Site(build_id, pc)) for pc in pcs]


def _fill_searches(filling: Filling) -> None:
    filling.counted("searches")
    filling.counted("proofs", "pc")
    proofs = filling.rows("SELECT process, pc, sequence FROM proofs")
    if proofs:
        filling.fill(
            "holders",
            f"SELECT DISTINCT {', '.join(COLUMNS['holders'])} FROM holders "  # noqa: S608 - constants
            "WHERE host IN (SELECT host FROM chosen) "
            "AND (process, pc, sequence) IN (SELECT process, pc, sequence FROM proved)",
            filling.chosen,
            Given("proved", {**SITE, "sequence": "Int64"}, proofs),
        )


def _fill_steps(filling: Filling, sites: Sequence[tuple[int, int]]) -> None:
    """Adds the rows of the recent past of sites, and of what was before it what they had then."""
    wanted = Given("wanted", SITE, sites)
    each = "if(taken_unix_nano >= moment, sequence, toInt64(-1))"
    filling.counted("site_counters", "pc", where=WANTED, apart=each, given=[wanted])
    filling.names("AND pc IN (SELECT pc FROM wanted)", wanted)
