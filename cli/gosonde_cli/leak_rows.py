"""Which `go` statements of a verdict on leaks are shown, in which order, and how many."""

from dataclasses import dataclass, replace
from typing import Final

from gosonde_cli.leak_report import LeakReport, LeakSite
from gosonde_cli.tables.arranging import arranged
from gosonde_cli.tables.columns import Column
from gosonde_cli.tables.table import Row, Table

#: What statements can be sorted by.
COLUMNS: Final = tuple(map(Column, ("LIVE", "PROVED", "PROBABLE", "OLDEST WAIT", "FUNCTION")))


@dataclass(frozen=True, slots=True)
class Shown:
    """What is asked for.

    Raises:
        UsageError: There is no such column.
    """

    function: str = ""
    sort: str = ""
    limit: int | None = None

    def __post_init__(self) -> None:
        self._sites(())

    def of(self, report: LeakReport) -> LeakReport:
        """The same verdict with fewer statements, or in another order."""
        return replace(report, sites=self._sites(report.sites))

    def _sites(self, sites: tuple[LeakSite, ...]) -> tuple[LeakSite, ...]:
        table = Table(COLUMNS, [Row(_cells(site), source=site) for site in sites], "")
        chosen = arranged(table, sort=self.sort, limit=self.limit or 0, function=self.function)
        return tuple(row.source for row in chosen.rows)


def _cells(site: LeakSite) -> tuple[object, ...]:
    return site.live, site.proved, site.probable, site.oldest_wait_ns or 0, site.function
