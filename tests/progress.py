"""Says how many tests a run has and about how long they take, and while it runs at least twice a minute how far it is.

How long each test took is kept in pytest's cache. What that does not know is guessed from `seconds.json`, the mean
seconds of a test by folder; `python -m tests.progress` writes that again from the cache, after a run of all tests.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import pytest

from tests import progress_speaker
from tests.progress_speaker import duration

TABLE = Path(__file__).with_name("seconds.json")
CACHE_KEY = "gosonde/seconds"
#: So much must have run before this machine's pace says more than the kept one.
PACE_SECONDS = 10.0


def expected(test: str, kept: Mapping[str, float], table: Mapping[str, float]) -> float:
    """How long a test probably takes: as it last did, or else as tests of its folder do."""
    if test in kept:
        return kept[test]
    folders = PurePosixPath(test.partition("::")[0]).parents
    return next((table[str(folder)] for folder in folders if str(folder) in table), 1.0)


def headline(tests: Sequence[str], kept: Mapping[str, float], table: Mapping[str, float], at_once: int) -> str:
    """How many tests there are and about how long they take, so many at the same time."""
    seconds = sum(expected(test, kept, table) for test in tests) / at_once
    cores = len(os.sched_getaffinity(0))
    known = sum(test in kept for test in tests)
    by = "as they last took here" if known == len(tests) else "a guess for those that did not run here yet"
    one = f"{len(tests):,} test{'s' if len(tests) != 1 else ''}"
    return f"{one}, about {duration(seconds)} on {cores} core{'s' if cores != 1 else ''} ({by})"


def time_left(expected_done: float, expected_left: float, spent: float) -> float:
    """What is expected of the rest, at the pace that this run has had."""
    pace = spent / expected_done if spent > PACE_SECONDS and expected_done > 0 else 1.0
    return expected_left * pace


class Progress:
    """The plugin. A process of its own says how far the run is, so that it does so while one test takes minutes too."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._table: dict[str, float] = json.loads(TABLE.read_text())
        self._cache = getattr(config, "cache", None)  # there is none with `-p no:cacheprovider`
        self._kept: dict[str, float] = self._cache.get(CACHE_KEY, {}) if self._cache else {}
        self._took: dict[str, float] = defaultdict(float)
        self._left: dict[str, float] = {}
        self._total = 0
        self._expected_done = 0.0
        self._began = time.monotonic()
        self._speaker: subprocess.Popen[str] | None = None

    def pytest_report_collectionfinish(self, items: Sequence[pytest.Item]) -> str:
        """The line below what was collected; none where worker processes collect."""
        return headline([item.nodeid for item in items], self._kept, self._table, 1) if items else ""

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Starts the process that says how far the run is."""
        if not session.config.option.collectonly and session.items:
            self._begin([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """The same, when the first of the worker processes has collected what all of them have."""
        if not self._total:
            with self._uncaptured():
                print(headline(ids, self._kept, self._table, self._config.option.numprocesses))  # noqa: T201
            self._begin(ids)

    def _begin(self, tests: Sequence[str]) -> None:
        self._left = {test: expected(test, self._kept, self._table) for test in tests}
        self._total = len(self._left)
        self._began = time.monotonic()
        with self._uncaptured():
            command = (sys.executable, progress_speaker.__file__)
            self._speaker = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
        self._tell()

    def _uncaptured(self) -> contextlib.AbstractContextManager[None]:
        capturing = self._config.pluginmanager.getplugin("capturemanager")
        return capturing.global_and_fixture_disabled() if capturing else contextlib.nullcontext()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps how long the test took."""
        self._took[report.nodeid] += report.duration

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Says that one test more is done."""
        self._expected_done += self._left.pop(nodeid, 0)
        self._tell()

    def pytest_sessionfinish(self) -> None:
        """Keeps how long the tests took, and lets the process go."""
        if self._speaker:
            with contextlib.suppress(OSError):
                self._speaker.communicate()
        if self._took and self._cache:
            took = {test: round(seconds, 3) for test, seconds in self._took.items()}
            self._cache.set(CACHE_KEY, self._kept | took)

    def _tell(self) -> None:
        if not self._speaker or not self._speaker.stdin:
            return
        left = time_left(self._expected_done, sum(self._left.values()), time.monotonic() - self._began)
        with contextlib.suppress(OSError):
            print(self._total - len(self._left), self._total, left, file=self._speaker.stdin, flush=True)


def selects(kept: Mapping[str, float]) -> dict[str, float]:
    """The mean seconds of a test by folder, from those of each test."""
    folders: dict[str, list[float]] = defaultdict(list)
    for test, seconds in kept.items():
        path = Path(test.partition("::")[0])
        if path.parts[0] == "tests" and path.exists():
            folders[str(path.parent)].append(seconds)
    return {folder: round(sum(all_) / len(all_), 3) for folder, all_ in sorted(folders.items())}


def main() -> None:
    """Writes the table again; folders of which the cache knows nothing stay."""
    kept = json.loads((TABLE.parents[1] / ".pytest_cache" / "v" / CACHE_KEY).read_text())
    table = json.loads(TABLE.read_text()) | selects(kept)
    TABLE.write_text(json.dumps(table, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
