"""What is asked of processes, their sites and their garbage collector."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.model.values import (
    GcCycle,
    GcTotal,
    KnownProcess,
    Loss,
    ParkTotal,
    ProcessFilter,
    ProcessKey,
    SiteTotal,
)
from gosonde_collector.store import past, queries, rows
from gosonde_collector.store.clickhouse.filling import RUN, Chosen, Filling, Fillings, newest
from gosonde_collector.store.clickhouse.server import Given, Server
from gosonde_collector.store.reading import Reader
from gosonde_collector.store.records import GcColumns, Past, Running

#: Those that a former run counted too: whoever asks leaves them out.
CHOSEN: Final = queries.CHOSEN.replace("known_processes", "all_processes")
RUNNING: Final = "SELECT * FROM known_processes WHERE ended_unix_nano = 0"
THIS: Final = queries.THIS.format(columns="*")
#: Runs with their highest sequence that is stored as a whole.
CURRENT: Final = """
SELECT b.agent_id, b.agent_epoch, max(b.sequence) FROM batches AS b
JOIN runs AS r ON r.agent_id = b.agent_id AND r.agent_epoch = b.agent_epoch AND r.current = 1 GROUP BY ALL
"""
#: From when on pauses belong to the cycles that there are.
FIRST: Final = """
SELECT process, min(CASE WHEN start_unix_nano = 0 THEN end_unix_nano ELSE start_unix_nano END)
FROM gc_cycles GROUP BY process
"""
TIMES: Final = queries.THIS.format(columns="counted_since_unix_nano, ended_unix_nano, last_taken_unix_nano")
NUMBERED: Final = "SELECT * FROM all_processes WHERE process IN (SELECT unnest($1::BIGINT[]))"


class ProcessQuestions:
    """Questions of `protocol.Store`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._filling = Fillings(server).one

    def processes(self, which: ProcessFilter) -> list[KnownProcess]:
        """See Store."""
        with self._chosen(which) as filling:
            filling.counted("site_counters", "pc")
            filling.counted("probe_costs")
            filling.counted("runtime_readings")
            return Reader(filling.connection).processes(which)

    def sites(self, which: ProcessFilter) -> list[SiteTotal]:
        """See Store."""
        with self._chosen(which) as filling:
            for table in ("site_counters", "site_estimates"):
                filling.counted(table, "pc", apart="taken_unix_nano <= moment")
            filling.names()
            return Reader(filling.connection).sites(which)

    def keys(self, which: ProcessFilter) -> list[ProcessKey]:
        """See Store."""
        with self._chosen(which) as filling:
            return Reader(filling.connection).keys(which)

    def past(self, host: str, process: ProcessKey) -> Past | None:
        """See Store."""
        with self._one(host, process) as filling:
            times = filling.rows(TIMES, host, *rows.key_values(process))
            if not times:
                return None
            ((since, ended, seen),) = times
            grid = past.grid_of(since, ended or seen)
            part = "bitShiftRight(greatest(taken_unix_nano, toInt64(%(since)s)), %(shift)s), taken_unix_nano > moment"
            filling.counted("site_counters", "pc", apart=part, since=grid.since, shift=grid.shift)
            filling.counted("site_estimates", "pc", apart="taken_unix_nano <= moment")
            filling.counted("probe_costs", "sequence")
            filling.counted("runtime_readings")
            for table, moment in (("pauses", "start_unix_nano"), ("gc_cycles", "end_unix_nano")):
                within = f"AND {moment} BETWEEN %(since)s AND %(until)s"
                filling.counted(table, "ordinal", "sequence", where=within, since=grid.since, until=grid.until)
            filling.names()
            return Reader(filling.connection).past(host, process)

    def parks(self, which: ProcessFilter) -> list[ParkTotal]:
        """See Store."""
        with self._chosen(which) as filling:
            filling.counted("park_counters", "wait_reason")
            return Reader(filling.connection).parks(which)

    def clock_offsets(self) -> dict[str, int]:
        """See Store."""
        return dict(self._server.rows(queries.CLOCK_OFFSETS))

    def gc_totals(self) -> list[GcTotal]:
        """See Store."""
        with self._running() as filling:
            filling.counted("gc_totals")
            return Reader(filling.connection).gc_totals()

    def losses(self) -> list[Loss]:
        """See Store."""
        with self._filling() as filling:
            filling.runs()
            current = filling.rows(CURRENT)
            if current:
                key = ("agent_id", "agent_epoch", "name")
                filling.fill(
                    "losses",
                    f"SELECT {newest('losses', *key)} FROM losses "  # noqa: S608 - constants
                    "ALL INNER JOIN (SELECT agent_id, agent_epoch, committed FROM current) AS of_current "
                    "USING (agent_id, agent_epoch) "
                    "WHERE (agent_id, agent_epoch) IN (SELECT agent_id, agent_epoch FROM current) "
                    f"AND sequence <= committed GROUP BY {', '.join(key)}",
                    Given("current", {"agent_id": "String", "agent_epoch": "String", "committed": "Int64"}, current),
                )
            return Reader(filling.connection).losses()

    def gc_cycles(self, which: ProcessFilter, limit: int) -> list[GcCycle]:
        """See Store."""
        with self._chosen(which) as filling:
            # Older cycles whose numbers are known give one to those that have none.
            numbered = "HAVING max(number) > 0 ORDER BY ordinal DESC LIMIT %(limit)s BY process"
            filling.counted("gc_cycles", "ordinal", end=numbered, limit=limit + 1)
            filling.counted("gc_cycles", "ordinal", end="ORDER BY ordinal DESC LIMIT %(limit)s BY process", limit=limit)
            first = dict(filling.rows(FIRST))
            self._choose(filling, which, first)
            filling.counted("pauses", "ordinal", where="AND start_unix_nano + duration_ns >= moment")
            return Reader(filling.connection).gc_cycles(which, limit)

    def gc_columns(self, number: int, since_unix_nano: int) -> GcColumns:
        """See Store."""
        with self._numbered([number]) as filling:
            for table in ("gc_cycles", "pauses"):
                filling.counted(table, "ordinal", where="AND taken_unix_nano >= %(since)s", since=since_unix_nano)
            return Reader(filling.connection).gc_columns(number, since_unix_nano)

    def heard(self, number: int, since_unix_nano: int) -> NDArray[np.int64]:
        """See Store."""
        found = self._server.columns(
            f"SELECT taken_unix_nano FROM batches WHERE ({RUN}) IN "  # noqa: S608 - a constant
            f"(SELECT {RUN} FROM processes WHERE process = %(number)s) AND taken_unix_nano >= %(since)s "
            f"GROUP BY {RUN}, sequence, taken_unix_nano ORDER BY taken_unix_nano",
            number=number,
            since=since_unix_nano,
        )
        return found[0] if found else np.empty(0, np.int64)

    def running(self) -> dict[int, Running]:
        """See Store."""
        with self._running() as filling:
            return Reader(filling.connection).running()

    @contextmanager
    def _chosen(self, which: ProcessFilter) -> Iterator[Filling]:
        with self._filling() as filling:
            filling.processes([which.host] if which.host else [], which.pid)
            filling.choose(CHOSEN, (which.host, which.pid, *which.names), _a_minute_before)
            yield filling

    def _choose(self, filling: Filling, which: ProcessFilter, moments: dict[int, int]) -> None:
        values = which.host, which.pid, *which.names
        filling.choose(CHOSEN, values, lambda one: moments.get(one.process, queries.LARGEST))

    @contextmanager
    def _one(self, host: str, process: ProcessKey, lookback_ns: int = queries.RATES_NS) -> Iterator[Filling]:
        with self._filling() as filling:
            filling.processes([host], process.pid)
            filling.choose(
                THIS, (host, *rows.key_values(process)), lambda one: max(one.last_unix_nano, 0) - lookback_ns
            )
            yield filling

    @contextmanager
    def _running(self, lookback_ns: int = 0) -> Iterator[Filling]:
        with self._filling() as filling:
            filling.processes()
            filling.choose(RUNNING, (), lambda one: one.last_unix_nano - lookback_ns)
            yield filling

    @contextmanager
    def _numbered(self, numbers: Sequence[int], lookback_ns: int = 0) -> Iterator[Filling]:
        asked = Given("asked", {"process": "Int64"}, [(number,) for number in numbers])
        found = self._server.rows(
            "SELECT DISTINCT host FROM processes WHERE process IN (SELECT process FROM asked)", asked
        )
        with self._filling() as filling:
            if found:
                filling.processes([host for (host,) in found])
                filling.choose(NUMBERED, (list(numbers),), lambda one: one.last_unix_nano - lookback_ns)
            yield filling


def _a_minute_before(one: Chosen) -> int:
    """Of a moment: the totals of then and the latest are wanted."""
    return max(one.last_unix_nano, 0) - queries.RATES_NS
