# ruff: noqa: S608 - these statements are put together from constants of this room alone; values are always bound
"""What an answer needs, reduced by ClickHouse and put into a DuckDB in memory, whose own questions are asked then.

So both stores answer alike: what is current, what belongs to what, and in which order is said in `queries` alone.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import duckdb

from gosonde_collector.store import migrations
from gosonde_collector.store.clickhouse.server import Given, Server
from gosonde_collector.store.clickhouse.tables import COLUMNS
from gosonde_collector.store.duckdb import ANALYZED_ROWS, insert

RUN: Final = "host, agent_id, agent_epoch"
#: What goes along: runs, and chosen processes, each with the highest sequence of the run that is stored as a whole.
RUNS: Final = {"host": "String", "agent_id": "String", "agent_epoch": "String", "committed": "Int64"}
CHOSEN: Final = {"process": "Int64", "host": "String", "committed": "Int64", "moment": "Int64"}
#: Rows of chosen processes that belong to batches which are stored as a whole: a batch's own row is written last.
THEIRS: Final = """ALL INNER JOIN (SELECT process, committed, moment FROM chosen) AS of_chosen USING (process)
WHERE host IN (SELECT host FROM chosen) AND process IN (SELECT process FROM chosen) AND sequence <= committed"""
#: Columns of which the highest is the latest, beside `sequence`; of all others what the newest row has.
HIGHEST: Final = {
    "batches": {"agent_run", "taken_unix_nano", "stored_unix_nano"},
    "site_counters": {"taken_unix_nano", "created", "exited"},
    "gc_totals": {"cycles"},
    "gc_cycles": set(COLUMNS["gc_cycles"]),
    "pauses": set(COLUMNS["pauses"]),
    "losses": {"total"},
}


def newest(table: str, *key: str, by: str = "sequence") -> str:
    """The columns of a table, in its order, of the newest row of each key."""
    highest = HIGHEST.get(table, set()) | {by}

    def chosen(column: str) -> str:
        if column in key:
            return column
        return f"max({column})" if column in highest else f"argMax({column}, {by})"

    return ", ".join(map(chosen, COLUMNS[table]))


class Chosen(NamedTuple):
    """A process of which rows are wanted.

    Attributes:
        committed: The highest sequence of its run that is stored as a whole.
        last_unix_nano: When its run was heard of last.
    """

    process: int
    host: str
    committed: int
    last_unix_nano: int


class Filling:
    """A DuckDB in memory that holds what one answer needs."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.connection = duckdb.connect(":memory:", config={"threads": 1})
        self.connection.execute(f"SET GLOBAL pandas_analyze_sample = {ANALYZED_ROWS}")
        migrations.prepare(self.connection)
        self.chosen = Given("chosen", CHOSEN, ())
        self._filled: set[str] = set()

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - whatever a column holds
        """The answer of the DuckDB."""
        return self.connection.execute(query, values).fetchall()

    def empty(self) -> None:
        """Takes all rows out again."""
        for table in self._filled:
            self.connection.execute(f"DELETE FROM {table}")
        self._filled.clear()
        self.chosen = Given("chosen", CHOSEN, ())

    def fill(
        self,
        table: str,
        query: str,
        *given: Given,
        names: Sequence[str] = (),
        **values: Any,  # noqa: ANN401 - whatever a column holds
    ) -> None:
        """Adds the rows of an answer that has these columns of a table, or all, in its order."""
        found = self.server.columns(query, *given, **values)
        if found:
            self._filled.add(table)
            insert(self.connection, table, dict(zip(names or COLUMNS[table], found, strict=True)))

    def runs(self, hosts: Sequence[str] = ()) -> Given:
        """Adds the newest batch of each run of an agent, of these hosts or of all; returns the runs."""
        where, asked = "", Given("asked", {"host": "String"}, [(host,) for host in hosts])
        if hosts:
            where = "WHERE host IN (SELECT host FROM asked)"
        columns = newest("batches", *RUN.split(", "))
        self.fill("batches", f"SELECT {columns} FROM batches {where} GROUP BY {RUN}", asked)
        return Given("runs", RUNS, self.rows(f"SELECT {RUN}, sequence FROM batches"))

    def processes(self, hosts: Sequence[str] = (), pid: int = 0) -> None:
        """Adds the newest state of each process and of its agent's run: of these hosts and this pid, or of all."""
        runs = self.runs(hosts)
        if runs.rows:
            self.fill(
                "processes",
                f"SELECT {newest('processes', 'process')} FROM processes "
                f"ALL INNER JOIN (SELECT {RUN}, committed FROM runs) AS of_runs USING ({RUN}) "
                f"WHERE ({RUN}) IN (SELECT {RUN} FROM runs) AND (%(pid)s = 0 OR pid = %(pid)s) "
                "AND sequence <= committed GROUP BY process",
                runs,
                pid=pid,
            )

    def choose(
        self, query: str, values: Sequence[Any] = (), moment: Callable[[Chosen], int] = lambda _: 0
    ) -> list[Chosen]:
        """Chooses the processes that a query of the DuckDB gives, with all columns of the view `all_processes`.

        `moment` is a time of each, which queries of `counted` may use.
        """
        found = self.rows(
            f"SELECT p.process, p.host, b.sequence, p.last_taken_unix_nano FROM ({query}) AS p "
            "JOIN batches AS b ON b.host = p.host AND b.agent_id = p.agent_id AND b.agent_epoch = p.agent_epoch",
            *values,
        )
        chosen = [Chosen(*row) for row in found]
        self.chosen = Given("chosen", CHOSEN, [(*one[:3], moment(one)) for one in chosen])
        return chosen

    def counted(
        self,
        table: str,
        *key: str,
        where: str = "",
        apart: str = "",
        end: str = "",
        given: Sequence[Given] = (),
        **values: Any,  # noqa: ANN401 - whatever a column holds
    ) -> None:
        """Adds of each key, of each chosen process, the newest row; `apart`: what rows differ in as well."""
        if self.chosen.rows:
            groups = ", ".join(filter(None, ("process", *key, apart)))
            query = f"SELECT {newest(table, 'process', *key)} FROM {table} {THEIRS} {where} GROUP BY {groups} {end}"
            self.fill(table, query, self.chosen, *given, **values)

    def names(self, where: str = "", *given: Given) -> None:
        """Adds the newest names of the sites of all builds that processes are of."""
        builds = self.rows("SELECT DISTINCT build_id FROM processes")
        if builds:
            columns = newest("site_names", "build_id", "pc", by="stored_unix_nano")
            self.fill(
                "site_names",
                f"SELECT {columns} FROM site_names WHERE build_id IN (SELECT build_id FROM builds) {where} "
                "GROUP BY build_id, pc",
                Given("builds", {"build_id": "String"}, builds),
                *given,
            )


class Fillings:
    """DuckDBs in memory, which are made once: making one takes longer than most answers."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: list[Filling] = []
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[Filling]:
        """An empty one, for one answer."""
        with self._lock:
            filling = self._idle.pop() if self._idle else Filling(self._server)
        try:
            yield filling
            filling.empty()
        except BaseException:
            filling.connection.close()
            raise
        with self._lock:
            self._idle.append(filling)
