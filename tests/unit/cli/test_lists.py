"""Every list takes the same options for the same things, and does what they say."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from gosonde.collector_client import (
    AuditRow,
    Finding,
    GcRow,
    ParkRow,
    Pause,
    PerSecond,
    ProcessName,
    ProcessRow,
    SiteName,
    SiteRow,
)
from gosonde.explanations import Listing
from gosonde_agent.discovery import listing
from gosonde_agent.sources.memory import target
from gosonde_agent.sources.memory.contexts import listing as context_listing
from gosonde_agent.sources.memory.contexts.values import Cancel, ContextGroup, ContextKind, LiveContexts
from gosonde_agent.sources.memory.http import listing as http_listing
from gosonde_agent.sources.memory.timers import listing as timer_listing
from gosonde_agent.watch.trace.seen import Trace
from gosonde_cli import cli, here, tracing
from gosonde_cli.commands import audit, findings, gc, leaks, parks, processes, sites
from gosonde_cli.leak_report import LeakProcess, LeakReport, LeakSite
from gosonde_common.values.ages import Ages
from gosonde_common.values.gc import GcFigures, PastPause
from gosonde_common.values.goroutines import GoroutineColumns, Location
from gosonde_common.values.http import HttpConnections, HttpGroup, Side, State
from gosonde_common.values.timers import PendingTimers, TimerGroup, TimerKind
from typer.testing import CliRunner, Result

from tests.unit.agent import observations
from tests.unit.cli.commands.rows import process_row
from tests.unit.cli.goroutine_columns import columns, kind
from tests.unit.cli.test_root import EVERY

#: What every list has.
COMMON: Final = {"--sort", "--limit", "--wide", "--json", "--pid"}
#: Of what is read again and again; a trace and a proof take their time, and are over then.
READ_AT_ONCE: Final = {"--watch"}
OF_A_COLLECTOR: Final = {*COMMON, *READ_AT_ONCE, "--host", "--exe", "--collector"}
OF_CONTAINERS: Final = {*OF_A_COLLECTOR, "--namespace", "--pod", "--workload"}
LISTS: Final[dict[tuple[str, ...], set[str]]] = {
    ("ps",): {*COMMON, *READ_AT_ONCE, "--exe"},
    ("trace",): {*COMMON, "--function"},
    ("goroutines",): {*COMMON, *READ_AT_ONCE, "--function", "--state"},
    ("timers",): {*OF_A_COLLECTOR, "--function"},
    ("contexts",): {*COMMON, *READ_AT_ONCE, "--function"},
    ("http",): {*COMMON, *READ_AT_ONCE, "--function", "--state"},
    ("leaks",): {*COMMON, "--function"},
    ("findings",): {*OF_CONTAINERS, "--function", "--state"},
    ("processes",): {*OF_CONTAINERS, "--state"},
    ("sites",): {*OF_A_COLLECTOR, "--function"},
    ("gc",): OF_A_COLLECTOR,
    ("audit",): OF_A_COLLECTOR,
    ("parks",): {*OF_A_COLLECTOR, "--state"},
}
#: Commands that print no list, or a whole report of which nothing is left out.
OTHERS: Final = {
    *((name,) for name in ("top", "check", "agent", "helper", "collector", "doctor", "inspect", "snapshot", "backup")),
    *(("probes", name) for name in ("on", "off")),
    *(("pprof", name) for name in ("push", "show")),
    ("store", "salvage"),
    ("gctrace", "push"),
}
SMALL, LARGE = ProcessName(7, "/srv/small"), ProcessName(8, "/srv/large")
BOTH: Final = ((SMALL, 1), (LARGE, 2))
NOTHING_FOUND: Final[dict[str, Any]] = {"retained_stack_bytes": 0, "retained_heap_bytes": None, "oldest_wait_ns": None}


def finding(process: ProcessName, number: int) -> Finding:
    site = SiteName(f"main.f{number}", "/src/main.go", number)
    state = f"state{number}"
    return Finding(f"id{number}", state, 0.5, "cause", "", "web-1", process, site, number, 1.0, 1, {}, {})


class Collector:
    """Knows two of everything: of a small process, and of a large one."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *_: object) -> None:
        """As a client."""

    def processes(self, *_: Any) -> list[ProcessRow]:
        return [
            process_row(pid=process.pid, exe=process.exe, live=number, level=f"state{number}")
            for process, number in BOTH
        ]

    def sites(self, *_: Any) -> list[SiteRow]:
        of = PerSecond(10**9, 1, 1, 1, 1, 1, 1)
        return [
            SiteRow("web-1", process, f"main.f{n}", "/src/main.go", n, n, 0, n, per_second=of) for process, n in BOTH
        ]

    def parks(self, *_: Any) -> list[ParkRow]:
        return [ParkRow("web-1", process, f"state{n}", n, n, n, 1, 1, 1) for process, n in BOTH]

    def gc(self, *_: Any) -> list[GcRow]:
        return [GcRow("web-1", process, n, n, [Pause(n, n * 1_000, "GC")]) for process, n in BOTH]

    def audit(self, *_: Any) -> list[AuditRow]:
        return [
            AuditRow("web-1", "run", n, n, n, n, 0, "probes-off", "local", f"uid {n}", process, "")
            for process, n in BOTH
        ]

    def listing(self, *_: Any) -> Listing:
        return Listing(tuple(finding(*both) for both in BOTH), 1, is_stale=False)


class Memory:
    """The memory of a process that has goroutines of two statements in two states."""

    def goroutine_columns(self, _max_stacks: int) -> Iterator[GoroutineColumns]:
        kinds = [
            kind(
                Location(f"main.w{n}", "/w.go", n),
                created_by=Location(f"main.f{n}", "/m.go", n),
                wait_reason=f"state{n}",
            )
            for n in (1, 2, 2)
        ]
        yield columns(*kinds)

    def gc(self) -> GcFigures:
        return GcFigures(2, 0, 3, (PastPause(1, 1, 9), PastPause(2, 2, 8)), 1, 1, 1, 1, 0.5, None)


@contextmanager
def opened(_pid: int) -> Iterator[Memory]:
    yield Memory()


def traced(*_: Any, **__: Any) -> Trace:
    process = observations.process(1)
    result = Trace()
    counts = tuple(observations.count(process, number, number) for number in (1, 2))
    result.add(observations.observed(process, site_counts=counts), 1)
    return result


def leaked(_pid: int) -> LeakReport:
    found = tuple(
        LeakSite(
            *(f"main.f{n}", "/src/main.go", n, "main.w", n, n, 0, (), (), "cause", ""),
            **NOTHING_FOUND,
            ages=Ages((), 0, None),
        )
        for n in (1, 2)
    )
    return LeakReport(LeakProcess(7, "/srv/small", "go1.27.3", "b"), True, "", 5, 3, 0, found)


def pending(_target: Any) -> PendingTimers:
    return PendingTimers([TimerGroup(f"main.f{n}", "", TimerKind.FUNC, n, 1, None, None, 0) for n in (1, 2)])


def live(_target: Any, _over_seconds: float) -> LiveContexts:
    kind, cancel = ContextKind.CANCEL, Cancel.FORGOTTEN
    return LiveContexts([ContextGroup(kind, cancel, ("cancel",), f"main.f{n}", "", (), n, 0, 0, None) for n in (1, 2)])


def connected(_target: Any) -> HttpConnections:
    return HttpConnections(
        [
            HttpGroup(
                Side.SERVER,
                "HTTP/1.1",
                "",
                "",
                state,
                f"main.f{n}",
                n,
                n,
                is_on_no_stack=False,
                oldest_ns=None,
                oldest_is_least=False,
            )
            for n, state in ((1, State.NEW), (2, State.ACTIVE))
        ]
    )


def seen_here(_pid: int = 0) -> listing.Listing:
    rows = [listing.Listed(process.pid, process.exe, "go1.27.3", n, float(n), {}) for process, n in BOTH]
    return listing.Listing(tuple(rows), 0, 0, 0)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that lists ask knows two things."""
    for module in (processes, sites, audit, parks, gc):
        monkeypatch.setattr(module, "CollectorClient", Collector)
    monkeypatch.setattr(findings, "CollectorClient", Collector)
    monkeypatch.setattr(listing, "listing", seen_here)
    monkeypatch.setattr(target, "opened", opened)
    monkeypatch.setattr(timer_listing, "read_timers", pending)
    monkeypatch.setattr(context_listing, "read_contexts", live)
    monkeypatch.setattr(http_listing, "read_http", connected)
    monkeypatch.setattr(tracing, "run", traced)
    monkeypatch.setattr(leaks, "examined", leaked)
    monkeypatch.setattr(here, "pid_of", lambda _: 7)


def run(command: tuple[str, ...], *arguments: str) -> Result:
    of_one = ("7",) if command[0] in {"trace", "goroutines", "timers", "contexts", "http", "leaks"} else ()
    return CliRunner().invoke(cli.app(command[0]), [*command, *of_one, *arguments], catch_exceptions=False)


def rows(command: tuple[str, ...], *arguments: str) -> list[Any]:
    """What a list has as JSON."""
    done = run(command, *arguments, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    found = document["sites"] if isinstance(document, dict) else document
    assert isinstance(found, list)
    return found


def options(command: tuple[str, ...]) -> set[str]:
    return {option for parameter in EVERY[command].params for option in parameter.opts if option.startswith("--")}


def having(option: str) -> list[tuple[str, ...]]:
    return [name for name, has in LISTS.items() if option in has]


def test_of_every_command_it_is_known_whether_it_prints_a_list() -> None:
    assert set(EVERY) == {*LISTS, *OTHERS}


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_a_list_has_the_options_that_lists_have(command: tuple[str, ...]) -> None:
    assert LISTS[command] <= options(command)
    filters = {"--exe", "--function", "--state", *READ_AT_ONCE} & options(command)
    assert filters - LISTS[command] <= ({"--exe"} if command == ("trace",) else set())


@pytest.mark.parametrize("command", [name for name in having("--limit") if name != ("goroutines",)], ids=" ".join)
def test_a_limit_leaves_so_many_rows(command: tuple[str, ...]) -> None:
    assert len(rows(command)) == 2
    assert len(rows(command, "--limit", "1")) == 1


#: A number of each list, and the key that it has as JSON.
NUMBERS: Final[dict[tuple[str, ...], tuple[str, Callable[[Any], Any]]]] = {
    ("ps",): ("goroutines", lambda row: row["goroutines"]),
    ("gc",): ("cycle", lambda row: row["cycle"]),
    ("parks",): ("parks", lambda row: row["parks"]),
    ("timers",): ("pending", lambda row: row["pending"]),
    ("http",): ("connections", lambda row: row["connections"]),
    **dict.fromkeys(
        [("trace",), ("leaks",), ("contexts",), ("findings",), ("processes",), ("sites",)],
        ("live", lambda row: row["live"]),
    ),
}


@pytest.mark.parametrize("command", NUMBERS, ids=" ".join)
def test_the_largest_number_comes_first_where_rows_are_sorted(command: tuple[str, ...]) -> None:
    column, value = NUMBERS[command]
    assert [value(row) for row in rows(command, "--sort", column)] == [2, 1]


@pytest.mark.parametrize("command", having("--sort"), ids=" ".join)
def test_a_column_that_is_not_there_is_refused_with_those_that_are(command: tuple[str, ...]) -> None:
    with pytest.raises(Exception, match=r"--sort nothing: .*(live|goroutines|cycle|parks|pending|connections|act)"):
        run(command, "--sort", "nothing")


@pytest.mark.parametrize("command", [name for name in having("--function") if name != ("goroutines",)], ids=" ".join)
def test_a_function_is_chosen_by_a_part_of_its_name(command: tuple[str, ...]) -> None:
    (row,) = rows(command, "--function", "f2")
    named = {"timers": "callback", "contexts": "waits_in"}.get(command[0], "function")
    assert (row["site"] if command == ("findings",) else row)[named] == "main.f2"


@pytest.mark.parametrize("command", having("--state"), ids=" ".join)
def test_a_state_is_chosen_by_a_part_of_its_name(command: tuple[str, ...]) -> None:
    wanted, other = ("active", "new") if command == ("http",) else ("state2", "state1")
    found = rows(command, "--state", wanted[2:])
    assert len(found) == (2 if command == ("goroutines",) else 1)
    assert all(f'"{wanted}"' in json.dumps(row) and f'"{other}"' not in json.dumps(row) for row in found)


@pytest.mark.parametrize("command", [one for one in having("--exe") if one != ("timers",)], ids=" ".join)
@pytest.mark.parametrize("chosen", [("--exe", "l*"), ("large",), ("--pid", "8"), ("8",)], ids=" ".join)
def test_a_process_is_chosen_in_the_same_way_everywhere(command: tuple[str, ...], chosen: tuple[str, ...]) -> None:
    (row,) = rows(command, *chosen)
    assert "/srv/large" in json.dumps(row)


def test_goroutines_are_chosen_by_the_function_of_their_go_statement_and_their_groups_are_limited() -> None:
    assert [row["created_by"]["function"] for row in rows(("goroutines",), "--function", "f2")] == ["main.f2"] * 2
    text = run(("goroutines",), "--limit", "1").stdout
    assert text.count(" @ ") == 1
    assert "and 1 more group with 1 goroutine (--limit)" in text
    by_state = run(("goroutines",), "--by", "state", "--sort", "state").stdout.splitlines()
    assert [line.split()[-1] for line in by_state[1:3]] == ["state1", "state2"]


@pytest.mark.parametrize("form", ["--json", "--each"])
def test_what_is_about_groups_is_refused_where_there_are_none(form: str) -> None:
    for chosen in (("--limit", "1"), ("--sort", "state")):
        with pytest.raises(Exception, match=f"are about groups, and {form} has every goroutine"):
            run(("goroutines",), form, *chosen)


@pytest.mark.parametrize("command", having("--watch"), ids=" ".join)
def test_what_is_watched_as_json_has_a_line_for_each_reading(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    done = run(command, "--watch", "--json")
    assert done.exit_code == 0
    assert [len(json.loads(line)) for line in done.stdout.splitlines()] == [len(rows(command))] * 2


@pytest.mark.parametrize("option", [("--sort", "cycle"), ("--limit", "3"), ("--watch",)], ids=" ".join)
def test_cycles_that_are_followed_take_no_option_that_would_do_nothing(option: tuple[str, ...]) -> None:
    with pytest.raises(Exception, match="--follow prints each cycle as it ends: without --sort, --limit and --watch"):
        run(("gc",), "7", "--follow", *option)


def test_stops_that_are_read_here_are_sorted_and_limited() -> None:
    def pauses(*arguments: str) -> list[int]:
        document = json.loads(run(("gc",), "7", "--here", "--json", *arguments).stdout)
        return [pause["cycle"] for pause in document["pauses"]]

    assert pauses() == pauses("--sort", "cycle") == [2, 1]
    assert pauses("--sort", "stopped") == [1, 2]
    assert pauses("--limit", "1") == [2]
