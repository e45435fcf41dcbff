"""What one dump says by itself: statements with their causes, the main goroutine under its name, the oldest waits."""

from gosonde_cli.dump_text import summary
from gosonde_collector.analysis.dumps import DumpSummary, summarize
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_common.values.goroutines import MAIN_GOROUTINE

from tests.paths import FIXTURES


def summarized(name: str) -> DumpSummary:
    profile = parse_profile((FIXTURES / name).read_bytes(), partial=True)
    assert isinstance(profile, GoroutineProfile)
    return summarize(profile)


def test_goroutines_are_told_by_statement_with_cause_and_remedy() -> None:
    dump = summarized("dumps/sigquit.txt")
    pump, *others = dump.sites
    assert (pump.function, pump.file, pump.line) == ("example.test/app/pump.New", "/srv/app/pump/pump.go", 40)
    assert (pump.goroutines, pump.cause, pump.states) == (2, "select", {"select": 2})
    assert "<-ctx.Done()" in pump.remedy
    assert {site.function: site.cause for site in others}["net/http.(*Transport).dialConn"] == "http-idle"


def test_the_main_goroutine_has_its_name_and_no_statement() -> None:
    (main,) = (site for site in summarized("dumps/sigquit.txt").sites if site.function == MAIN_GOROUTINE.function)
    assert (main.file, main.line, main.cause) == ("", 0, "channel-receive")


def test_the_oldest_waits_come_first() -> None:
    waits = summarized("dumps/sigquit.txt").oldest_waits
    assert [(wait.wait_ns // 60_000_000_000, wait.goroutines, wait.goids) for wait in waits] == [
        (12, 1, (1,)),
        (3, 2, (18, 19)),
    ]


def test_a_format_without_statements_is_told_by_start_function() -> None:
    first = summarized("pprof/go1.27.debug1.txt").sites[0]
    assert (first.function, first.start_function, first.goroutines) == ("", "main.plain", 6)


def test_no_line_is_wider_than_80_columns() -> None:
    for path in sorted((FIXTURES / "dumps").iterdir()):
        lines = list(summary(path.name, summarized(f"dumps/{path.name}")))
        assert lines
        assert max(map(len, lines)) <= 80
