"""Every table fits 80 and 120 columns with the longest names of the programs that tests run, and stays readable."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from gosonde.collector_client import (
    Finding,
    GcRow,
    Muted,
    ParkRow,
    Pause,
    ProcessName,
    ProcessRow,
    SiteName,
    SiteRow,
)
from gosonde.escapes import EscapeLine, EscapingValue, FindingEscapes, MissingFunction
from gosonde.explanations import Contention, Explanation, Listing, Stack, StackFrame
from gosonde_agent.discovery.listing import Listed
from gosonde_agent.discovery.listing import Listing as Host
from gosonde_agent.host import checks
from gosonde_agent.sources.kinds import MEMORY, PTRACE
from gosonde_agent.sources.possible import Possibility
from gosonde_cli import leak_text, trace_text
from gosonde_cli.commands import doctor, findings, gc, gc_local, inspect, parks, probes, processes, ps, sites
from gosonde_cli.dump_text import summary
from gosonde_cli.goroutine_groups import groups_of
from gosonde_cli.goroutine_text import grouped
from gosonde_cli.leak_report import LeakProcess, LeakReport, LeakSite
from gosonde_cli.source_text import source_document
from gosonde_cli.tables.asked import Asked
from gosonde_cli.tables.table import print_table
from gosonde_cli.trace_document import as_document
from gosonde_cli.wrapping import fitted
from gosonde_collector.analysis.dumps import Creation, DumpSummary, Wait
from gosonde_collector.evidence.model import Frame
from gosonde_common.flames.placing import By
from gosonde_common.values.ages import Ages
from gosonde_common.values.containers import Container
from gosonde_common.values.gc import GcFigures, PastPause
from gosonde_common.values.goroutines import Location

from tests.paths import ROOT
from tests.unit.agent import observations
from tests.unit.cli.commands.rows import process_row
from tests.unit.cli.goroutine_columns import columns, kind

SOURCES = ROOT / "tests" / "fixtures" / "go"
FILES = sorted(SOURCES.rglob("*.go"), key=lambda path: len(str(path.relative_to(SOURCES))))
FUNCTIONS = [
    f"gosonde.test/{path.parent.relative_to(SOURCES)}.{name}"
    for path in FILES
    for name in re.findall(r"^func (?:\(\w* ?[^)]*\) )?(\w+)", path.read_text(), re.MULTILINE)
]
FILE = f"/builds/gosonde/{FILES[-1].relative_to(ROOT)}"
FUNCTION = f"{max(FUNCTIONS, key=len)}.(*Server).handleRequest.func1.2"
EXE = f"/var/lib/containers/{max((str(path.parent.relative_to(SOURCES)) for path in FILES), key=len)}/service"
REASONS = re.findall(r'"([a-zA-Z() ]+)"', (ROOT / "agent/gosonde_agent/golang/wait_reasons.py").read_text())
REASON = max(REASONS, key=len)
NAME = ProcessName(4_194_304, EXE)
HOSTS = ("gosonde-worker-0123456789.eu-central-1.compute.internal", "web-1")
COUNT = 123_456_789
POD = Container("a" * 64, "", "n" * 63, f"checkout-{'w' * 200}-7d9f6c5b4d-x2k9p", "c" * 63, f"checkout-{'w' * 200}")
END = f"{FILE.rpartition('/')[2]}:1234"


def process(host: str) -> ProcessRow:
    numbers = {"live": COUNT, "created": COUNT, "exited": COUNT}
    return process_row(host=host, pid=NAME.pid, exe=EXE, stale=True, container=POD, **numbers)


def finding(host: str) -> Finding:
    witnesses = {"events": "agrees", "memory": "silent"}
    details = dict.fromkeys(witnesses, f"{COUNT:,} created and {COUNT:,} exited while it was watched closely " * 2)
    site = SiteName(FUNCTION, FILE, 1_234)
    found = Finding("f1", "growing", 0.9, "channel-send", "look at it " * 12, host, NAME, site, COUNT, 1.5, 1, {}, {})
    muted = Muted("a leak that is known " * 12, "ann", 1, 2, "function")
    return replace(found, witnesses=witnesses, details=details, muted=muted, container=POD)


ESCAPES = FindingEscapes(
    10**18,
    is_detailed=False,
    heap_taken_unix_nano=10**18,
    lines=(EscapeLine(FUNCTION, FILE, 1_234, (EscapingValue("variable", FUNCTION, FUNCTION),) * 3, *(COUNT,) * 4),),
    lines_left_out=COUNT,
    missing=(MissingFunction(FUNCTION, FILE),),
)


class Collector:
    """Answers with long names."""

    hosts = HOSTS

    def __init__(self, _address: str) -> None:
        """As a client."""

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def processes(self) -> list[ProcessRow]:
        return [process(host) for host in self.hosts]

    def sites(self, *_: Any) -> list[SiteRow]:
        return [SiteRow(host, NAME, FUNCTION, FILE, 1_234, COUNT, COUNT, COUNT) for host in self.hosts]

    def parks(self, *_: Any) -> list[ParkRow]:
        return [ParkRow(host, NAME, REASON, COUNT, COUNT, None, 9, 9, 10**15) for host in self.hosts]

    def gc(self, *_: Any) -> list[GcRow]:
        pauses = [Pause(1, 10**6, "GC mark termination")] * 3
        return [GcRow(host, NAME, COUNT, 10**18, pauses, 1 << 40, 1 << 40, 1 << 40, 1 << 40) for host in self.hosts]

    def listing(self, *_: Any) -> Listing:
        return Listing(tuple(map(finding, self.hosts)), 10**9, is_stale=True)

    def explain(self, _id: str) -> Explanation:
        frames = (StackFrame(FUNCTION, FILE, 1_234),) * 3
        points = tuple((10**18 + second, COUNT + second) for second in range(3_600))
        stacks = (Stack(COUNT, frames),)
        waits = (Contention("trace", 10**18, COUNT, 10**18, REASON),)
        nothing: dict[str, Any] = {"persistence": None, "stack_bytes": None, "heap_bytes": None, "contentions": waits}
        return Explanation(
            finding(HOSTS[0]),
            "it waits " * 20,
            {REASON: COUNT},
            frames,
            points,
            (),
            1,
            1,
            {},
            {},
            0,
            stacks=stacks,
            clock_offset_ns=0,
            analysis_age_ns=1,
            analysis_is_stale=False,
            proof=None,
            ages=None,
            escapes=ESCAPES,
            **nothing,
        )


@contextmanager
def asking(monkeypatch: pytest.MonkeyPatch, hosts: tuple[str, ...] = HOSTS) -> Iterator[None]:
    """Commands ask that collector."""
    with monkeypatch.context() as patched:
        patched.setattr(Collector, "hosts", hosts)
        for module, client in ((sites, "CollectorClient"), (parks, "CollectorClient"), (gc, "CollectorClient")):
            patched.setattr(module, client, Collector)
        patched.setattr(processes, "CollectorClient", Collector)
        patched.setattr(findings, "CollectorClient", Collector)
        yield


def traced() -> None:
    rows = {"pid": 4_711, "exe": EXE, "go_version": "go1.27.3"}
    document = as_document(traced_values())
    document["process"] |= rows
    for site in document["sites"]:
        site |= {"function": FUNCTION, "file": FILE, "line": 1_234, "live": COUNT, "created": COUNT, "baseline": COUNT}
    trace_text.render(document)


def traced_values() -> Any:
    result = trace_type()
    described = observations.process(1)
    result.add(observations.observed(described, site_counts=(observations.count(described, 1, COUNT),)), 1)
    return result


def trace_type() -> Any:
    from gosonde_agent.watch.trace.seen import Trace  # noqa: PLC0415

    return Trace()


def host() -> None:
    found = [Listed(4_194_304 + n, EXE, "go1.27.3", COUNT, 1e6, {"trace": f"process {n} is closed"}) for n in range(3)]
    print_table(ps.table(Host(tuple(found), 1_000, 1_000, 1_000), Asked()))


def here() -> None:
    figures = GcFigures(COUNT, COUNT, 10**15, (PastPause(COUNT, 10**18, 10**6),), 1, 1, 1, 1, 0.5, None)
    print_table(gc_local.table(figures, 9))


def switched() -> None:
    described = replace(observations.process(1), exe=EXE)
    print_table(probes.table([described]))


TABLES: dict[str, Callable[[], None]] = {
    "sites": lambda: sites.sites(sites.AskedOfSites()),
    "processes": lambda: processes.processes(processes.AskedOfProcesses()),
    "parks": lambda: parks.parks(parks.AskedOfParks()),
    "gc": lambda: gc.gc(gc.AskedOfGc()),
    "findings": lambda: findings.findings(findings.AskedOfFindings()),
    "findings --explain": lambda: findings.findings(findings.AskedOfFindings(explain="f1")),
    "trace": traced,
    "ps": host,
    "gc --here": here,
    "probes": switched,
}


def printed(capsys: pytest.CaptureFixture[str], command: str) -> list[str]:
    TABLES[command]()
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("hosts", [HOSTS, HOSTS[:1]], ids=["two hosts", "one host"])
@pytest.mark.parametrize("command", TABLES)
def test_no_line_is_wider_than_the_terminal_and_no_place_is_broken(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    hosts: tuple[str, ...],
    width: int,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    with asking(monkeypatch, hosts):
        lines = printed(capsys, command)
    assert max(map(len, lines)) <= width
    if command in {"sites", "findings", "findings --explain", "trace"}:
        assert sum(END in line for line in lines) >= 1
        assert all(END in line for line in lines if f"{END[:-4]}" in line)
    if command in {"sites", "processes", "trace", "ps"}:
        assert any(f"{COUNT:,}" in line for line in lines)


@pytest.mark.parametrize("hosts", [HOSTS[:1]])
@pytest.mark.parametrize(("command", "width"), [("trace", 80), ("sites", 80)])
def test_rates_are_the_last_numbers_to_go(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    hosts: tuple[str, ...],
    width: int,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with asking(monkeypatch, hosts):
        lines = printed(capsys, command)
    titles = next(line for line in lines if line.split()[:1] == ["LIVE"])
    assert titles.split()[:4] == ["LIVE", "CREATED/S", "EXITED/S", "FUNCTION"]
    assert any(line.startswith("columns left out: CREATED, EXITED") for line in lines)


@pytest.mark.parametrize("command", [name for name in TABLES if name not in {"findings", "findings --explain"}])
def test_each_row_of_a_table_is_one_line_below_its_title(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with asking(monkeypatch):
        lines = printed(capsys, command)
    title = next(at for at, line in enumerate(lines) if re.fullmatch(r" *[A-Z][A-Z/ ]*", line))
    rows = 3 if command == "ps" else 1 if command in {"trace", "gc --here", "probes"} else 2
    columns = len(lines[title].split("  "))
    assert columns >= 2
    below = lines[title + 1 : title + 1 + rows]
    assert all(re.search(r"\d", line) for line in below)


def test_of_two_hosts_rows_differ_in_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with asking(monkeypatch):
        assert [line.split()[3][:5] for line in printed(capsys, "sites")[:3]] == ["HOST", "goson", "web-1"]


def test_with_one_host_no_column_is_spent_on_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with asking(monkeypatch, HOSTS[1:]):
        lines = printed(capsys, "sites")
    assert "HOST" not in lines[0].split()
    assert any(line.startswith("in all rows: host web-1, pid 4194304") for line in lines)


def test_json_of_a_list_that_lacks_data_says_so_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with asking(monkeypatch, HOSTS[1:]):
        findings.findings(findings.AskedOfFindings(json=True))
    assert "host web-1 has sent nothing" in capsys.readouterr().err


def test_nothing_found_is_no_all_clear_while_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with asking(monkeypatch, HOSTS[1:]):
        monkeypatch.setattr(Collector, "listing", lambda *_: Listing((), 10**9, is_stale=False))
        findings.findings(findings.AskedOfFindings())
        stale = " ".join(capsys.readouterr().out.split())
        monkeypatch.setattr(Collector, "processes", lambda _: [process_row()])
        findings.findings(findings.AskedOfFindings())
        fresh = capsys.readouterr().out
    assert findings.NO_DATA in stale
    assert "host web-1 has sent nothing" in stale
    assert findings.NO_DATA not in fresh
    assert "No finding: no go statement" in fresh
    assert "has sent nothing" not in fresh


PLACE = Location(FUNCTION, FILE, 1_234)


def goroutine_lines(width: int) -> list[str]:
    groups = groups_of([columns(*[kind(PLACE, PLACE, created_by=PLACE, wait_reason=REASON)] * 3, waits=[10**15] * 3)])
    return list(grouped(groups, groups.rows(By.STACK), width))


def leak_lines(width: int) -> list[str]:
    site = LeakSite(
        *(FUNCTION, FILE, 1_234, FUNCTION, COUNT, COUNT, COUNT, ("it grows " * 12,), (), "channel-send"),
        *("look at it " * 12, COUNT, COUNT, 10**15, Ages((), COUNT, None)),
    )
    process_ = LeakProcess(NAME.pid, EXE, "go1.27.3", "b" * 83)
    return list(leak_text.verdict(LeakReport(process_, True, "", 5, COUNT, COUNT, (site,)), width))


def dump_lines(width: int) -> list[str]:
    calls = (Frame(FUNCTION, FILE, 1_234),) * 3
    site = Creation(
        FUNCTION, FILE, 1_234, FUNCTION, COUNT, 10**15, {REASON: COUNT}, "select", "look " * 30, calls, COUNT
    )
    wait = Wait(10**15, REASON, COUNT, (COUNT,), FUNCTION, FILE, 1_234)
    found = DumpSummary("debug2", "goroutine", COUNT, COUNT, (), 0, "", {REASON: COUNT}, (site,), (wait,))
    return list(summary("dump.txt", found, width))


def inspected_lines(width: int) -> list[str]:
    store = {"function": FUNCTION, "offset": 1, "instruction": "mov", "address": 1 << 47, "proof": [f"in {FILE}:1234"]}
    document = {
        "exe": FILE + ":1234",
        "go_version": "go1.27.3",
        "architecture": "amd64",
        "functions": COUNT,
        "build_id": "/".join(["b" * 20] * 4),
        "pclntab": {"address": 1 << 47, "found_by": "section"},
        "layout": {"g_gopc": 1, "source": "DWARF"},
        "probes": [store | {"probe": "creation", "cost": "emulated"}],
        "gopc_store": store,
        "unproved": {"exit": "it is not proved where " * 9},
        "sources": [source_document(Possibility(each, "it is not allowed here " * 9)) for each in (PTRACE, MEMORY)],
    }
    return list(fitted(inspect.lines(document), width))


def doctor_lines(capsys: pytest.CaptureFixture[str], *, wide: bool = False) -> list[str]:
    found = [
        checks.Check("capabilities", checks.Status.MISSING, "none of " + "CAP_SYS_PTRACE, " * 9, "run it as root " * 9),
        checks.Check("unprivileged", checks.Status.DEGRADED, f"{FILE}:1234 can be read", f"chmod {FILE}:1234"),
    ]
    sources = [source_document(Possibility(each, "it is not allowed here " * 9)) for each in (PTRACE, MEMORY)]
    doctor.show(found, sources, wide=wide)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("width", [80, 120])
def test_what_the_doctor_says_fits_and_is_whole_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = doctor_lines(capsys)
    assert max(map(len, lines)) <= width
    assert all(line.startswith("  ") for line in lines if "not allowed" in line)
    whole = doctor_lines(capsys, wide=True)
    assert any(line.endswith(f"unprivileged: chmod {FILE}:1234.") for line in whole)
    assert any(line.startswith("capabilities") and line.count("CAP_SYS_PTRACE") == 9 for line in whole)


@pytest.mark.parametrize("lines_of", [goroutine_lines, leak_lines, dump_lines, inspected_lines])
def test_lines_fit_and_break_no_place_inside_a_word(lines_of: Callable[[int], list[str]]) -> None:
    for width in (80, 120):
        lines = lines_of(width)
        assert max(map(len, lines)) <= width
        assert sum(END in line for line in lines) >= 1
        assert all(END in line for line in lines if END[:-4] in line)
    assert any(f"{FILE}:1234" in line for line in lines_of(0))
