from typing import Any

from gosonde_agent.sources.memory.population import Fate
from gosonde_agent.watch.trace.seen import Trace
from gosonde_cli.suspects.judging import Watching
from gosonde_cli.suspects.verdict import Suspect, Unsettled, Verdict
from gosonde_cli.suspects.verdict_text import headline, verdict_lines
from gosonde_common.values.goroutines import Location
from gosonde_common.values.observation import ProcessKey, Site, SiteCount

SECOND = 1_000_000_000
PLACE = Location("main.ask", "/src/main.go", 12)
SUSPECT = Suspect("main.ask", "/src/main.go", 12, 50, 5.0, 0.0, "channel-send", "Make room.", ("50 more",))


def row(live: int = 50) -> dict[str, Any]:
    rates = {"created": 5.0, "exited": 0.0}
    place = {"function": PLACE.function, "file": PLACE.file, "line": PLACE.line}
    return place | {"live": live, "created": live, "exited": 0, "baseline": 0, "per_second": rates}


def judged(counts: list[int], *, fate: Fate | None = None, apart_s: float = 1.0) -> Verdict:
    """On a statement of which so many goroutines lived at moments some seconds apart."""
    watching = Watching()
    for number, live in enumerate(counts):
        watching.step(number * apart_s, trace(live))
    if fate:
        watching.reading.fates = {PLACE: fate}
    return watching.verdict([row(counts[-1])], "ebpf", 10 * SECOND)


def trace(live: int) -> Trace:
    site = Site("build", 1, PLACE.function, PLACE.file, PLACE.line)
    return Trace(sites=(SiteCount(ProcessKey("boot", 7, 1, 0), site, live, 0),))


def test_a_statement_that_rises_for_ten_seconds_is_too_early_to_call_a_leak_and_is_not_cleared() -> None:
    verdict = judged([5 * second for second in range(11)], fate=Fate(20, 20, 0))
    assert verdict.suspects == ()
    (early,) = verdict.too_early
    assert (early.function, early.live, early.run_seconds) == ("main.ask", 50, 60)
    assert "too early to say whether 1 go statement leaks" in headline(verdict, SECOND)
    assert "nothing looks like a leak" not in "\n".join(verdict_lines(verdict, SECOND, 200))


def test_a_statement_that_rises_for_a_minute_while_all_stay_is_named_with_its_rate() -> None:
    verdict = judged([5 * second for second in range(11)], fate=Fate(20, 20, 0), apart_s=7.0)
    (suspect,) = verdict.suspects
    assert (suspect.function, suspect.live, suspect.created_per_second) == ("main.ask", 50, 5.0)
    assert (suspect.cause, suspect.remedy) == ("unknown", "")
    assert any("more within 1 min" in sentence for sentence in suspect.evidence)
    assert any("20 stayed; none of them ran" in sentence for sentence in suspect.evidence)


def test_who_became_more_once_is_not_accused_and_not_cleared() -> None:
    verdict = judged([0, 50, 50, 50, 50, 50, 50, 50, 50])
    assert verdict.suspects == ()
    assert any("main.ask stay" in what and "50 more" in what for what in verdict.not_known)


def test_memory_that_was_not_searched_is_said_to_be_so() -> None:
    assert any("memory was not searched" in what for what in judged([1, 1]).not_known)


def test_the_main_goroutine_is_never_a_suspect() -> None:
    assert Watching().verdict([row() | {"function": "main goroutine", "file": "", "line": 0}], "ebpf", 1).suspects == ()


def test_the_headline_has_a_number_or_says_in_which_time_nothing_was_seen() -> None:
    found = "1 go statement looks like a leak, with 50 live goroutines"
    assert headline(Verdict((SUSPECT,), (), (), ()), SECOND) == found
    assert headline(Verdict((), (), (), ()), 10 * SECOND) == "nothing looks like a leak in these 10 s"


def test_the_text_has_place_evidence_cause_remedy_and_what_is_not_known() -> None:
    text = "\n".join(verdict_lines(Verdict((SUSPECT,), (), ("all",), ("the rest",)), SECOND, 80))
    for part in ("main.ask  /src/main.go:12", "50 more", "cause channel-send", "→ Make room.", "not known: the rest"):
        assert part in text


def test_what_a_terminal_would_obey_is_made_visible() -> None:
    hostile = Suspect("main.\x1b[2J", "/src/main.go", 1, 1, None, None, "unknown", "", ())
    early = Unsettled("main.\x1b]0;", "/src/\x1b.go", 1, 1, 1, 60, "unknown")
    assert "\x1b" not in "\n".join(verdict_lines(Verdict((hostile,), (early,), (), ()), SECOND, 80))
