import pytest
from gosonde_cli.leak_census import Census
from gosonde_cli.leak_report import LeakProcess, LeakReport, LeakSite, Watched, report
from gosonde_cli.leak_text import headline, verdict
from gosonde_common.values.goroutines import MAIN_GOROUTINE, Goroutine, Location
from gosonde_common.values.reachability import Holder, Proof, SiteProof

SECOND = 1_000_000_000
STATEMENT = Location("main.serve", "/src/main.go", 12)
PROCESS = LeakProcess(7, "/srv/orders", "go1.27.3", "abc")


def goroutine(goid: int, wait_s: float | None = None, created_by: Location = STATEMENT) -> Goroutine:
    wait = None if wait_s is None else int(wait_s * SECOND)
    return Goroutine(
        goid, "waiting", "chan receive", wait, created_by, "main.work", 1, 0, False, False, False, True, ()
    )


def census(*goroutines: Goroutine, at_s: float = 0.0) -> Census:
    taken = Census()
    taken.at_ns = int(at_s * SECOND)
    assert list(taken.counted(goroutines)) == list(goroutines)
    return taken


def proof(**changes: int | tuple[Holder, ...]) -> Proof:
    site = {"live": 30, "blocked": 30, "proved": 0, "probable": 0, "undecided": 0} | changes
    return Proof(True, "", 5, False, (SiteProof(STATEMENT, "main.work", **site),))  # type: ignore[arg-type]


def judged(before: Census, now: Census, age_s: float = 100.0, **changes: int) -> LeakReport:
    return report(PROCESS, proof(**changes), Watched(before, now, int(age_s * SECOND)), {})


def only(found: LeakReport) -> LeakSite:
    (site,) = found.sites
    return site


# --- the report ------------------------------------------------------------------------------------------------------


def test_what_is_proved_is_not_probable_as_well() -> None:
    leaking = [goroutine(goid, 100 - goid) for goid in range(1, 101)]
    found = judged(census(*leaking[:80]), census(*leaking, at_s=6), live=100, proved=98)
    assert (found.proved, found.probable) == (98, 2)


def test_growth_without_an_end_and_even_ages_are_very_probably_a_leak() -> None:
    leaking = [goroutine(goid, 100 - goid) for goid in range(1, 101)]
    site = only(judged(census(*leaking[:80]), census(*leaking, at_s=6), live=100))
    assert site.probable == 100
    assert site.evidence[0] == "20 created in 6.0 s, and none exited"


def test_growth_alone_is_said_and_makes_nothing_probable() -> None:
    arriving = [goroutine(goid, 1) for goid in range(1, 101)]
    found = judged(census(*arriving[:80]), census(*arriving, at_s=6), live=100)
    assert only(found).probable == 0
    assert headline(found).endswith("it is too early to know whether they stay")


def test_goroutines_that_end_are_no_growth() -> None:
    churning = [goroutine(goid) for goid in range(1, 101)]
    assert not only(judged(census(*churning[:80]), census(*churning[1:], at_s=6))).evidence


def test_the_main_goroutine_and_the_runtimes_own_are_not_counted() -> None:
    assert not census(goroutine(1, created_by=MAIN_GOROUTINE)).goids(MAIN_GOROUTINE)


def test_a_site_of_which_no_stack_was_read_has_an_unknown_cause() -> None:
    assert only(judged(census(), census(at_s=6))).cause == "unknown"


# --- the text --------------------------------------------------------------------------------------------------------


def text(found: LeakReport) -> str:
    lines = list(verdict(found))
    assert max(map(len, lines)) <= 80
    return "\n".join(lines)


def test_nothing_found_is_said_in_a_line() -> None:
    assert "no leak is proved or suspected after 5 scans of its memory" in text(judged(census(), census(at_s=6)))


def test_what_was_not_decided_says_why() -> None:
    undecided = report(
        PROCESS, Proof(False, "the heap is too large", 1, False, ()), Watched(census(), census(at_s=6), SECOND), {}
    )
    assert "not decided: the heap is too large" in text(undecided)


def test_a_verdict_fits_into_80_columns_whatever_names_a_program_has() -> None:
    far = Location("main." + "x" * 200, "/src/" + "deep/" * 40 + "main.go", 3)
    site = SiteProof(far, "main." + "y" * 90, 9, 9, 9, 0, 0, (Holder(("main.z" * 30, "map", "\x1b[31m"), 12),))
    shown = text(report(PROCESS, Proof(True, "", 5, False, (site,)), Watched(census(), census(at_s=6), SECOND), {}))
    assert "\x1b" not in shown


@pytest.mark.parametrize(("heap", "said"), [(None, "heap not worked out"), (3 << 20, "heap 3.0 MiB or more")])
def test_the_heap_that_leaked_goroutines_hold_is_a_lower_bound(heap: int | None, said: str) -> None:
    site = SiteProof(STATEMENT, "main.work", 4, 4, 4, 0, 0, (), 8_192, heap)
    found = report(PROCESS, Proof(True, "", 5, False, (site,)), Watched(census(), census(at_s=6), SECOND), {})
    assert f"retained: stacks 8.0 KiB, {said}" in text(found)
