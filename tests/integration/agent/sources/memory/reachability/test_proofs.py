"""Goroutines that nobody can wake are proved to be lost, and those that somebody can are not."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from gosonde_agent.sources.memory.reachability.roots import GLOBAL, PROCESSOR, SPECIAL, STACK
from gosonde_agent.sources.memory.target import opened

from tests.go_programs import GoProgram
from tests.integration.agent.sources.memory.reachability.judging import Judged, scanned, scanner
from tests.versions import VERSIONS

Start = Callable[..., GoProgram]

LOST = {"receive": 10, "send": 10, "select": 10, "nil": 10, "for-ever": 10, "each-other": 20}
LOST_LOCKS = dict.fromkeys(("mutex", "read-lock", "write-lock", "group", "cond"), 8)
#: The newest goroutines of a site may still be held by an old word on a stack, and any by the end of a thread's
#: signal stack, behind which its channel lies by chance.
MISSED = 2


def assert_proved(found: Counter[str], expected: dict[str, int]) -> None:
    """All of some sites are proved but one or two, and none of any other."""
    assert found.keys() == expected.keys()
    assert all(expected[site] - MISSED <= count <= expected[site] for site, count in found.items()), found


@pytest.mark.parametrize("version", VERSIONS)
def test_waiters_on_channels_that_only_they_know_are_lost(version: str, go_program: Start) -> None:
    judged = Judged(go_program("reach/channels", version=version), "reach/channels")
    assert judged.verdict.decided, judged.verdict.why
    assert_proved(judged.proved, LOST)


def test_it_is_said_who_holds_the_others(go_program: Start) -> None:
    ways = Judged(go_program("reach/channels"), "reach/channels").ways
    kinds = {site: way.root.kind for site, way in ways.items()}
    held = ("global", "map", "chain", "posted", "pool", "one-of-two")
    assert kinds == {**dict.fromkeys(held, GLOBAL), "stack": STACK}
    assert ways["stack"].root.goid == 1
    assert len(ways["chain"].steps) == 21
    assert not any(step.goid for way in ways.values() for step in way.steps)


@pytest.mark.parametrize("version", VERSIONS)
def test_waiters_for_locks_that_only_they_know_are_lost(version: str, go_program: Start) -> None:
    judged = Judged(go_program("reach/locks", version=version), "reach/locks")
    assert judged.verdict.decided, judged.verdict.why
    assert_proved(judged.proved, LOST_LOCKS)
    ways = {site: way for site, way in judged.ways.items() if site.startswith("held")}
    assert ways.keys() >= {"held-mutex", "held-read-lock", "held-group"}
    assert {way.root.kind for way in ways.values()} == {GLOBAL}


@pytest.mark.parametrize("version", VERSIONS)
def test_finalizers_and_cleanups_hold_what_they_can_close(version: str, go_program: Start) -> None:
    program = go_program("reach/finalizers", version=version)
    judged = Judged(program, "reach/finalizers")
    assert_proved(judged.proved, {"without": 5})
    held = {"finalizer", "function", "cleanup"} & judged.blocked.keys()
    assert held >= {"finalizer", "function"}
    assert {judged.ways[site].root.kind for site in held} == {SPECIAL}
    program.ask("gc")
    assert Judged(program, "reach/finalizers").proved.keys() == {"without"}


@pytest.mark.parametrize("version", [version for version in VERSIONS if int(version.split(".")[1]) >= 24])
def test_weak_pointers_hold_what_they_can_bring_back(version: str, go_program: Start) -> None:
    program = go_program("reach/weak", version=version)
    judged = Judged(program, "reach/weak")
    assert_proved(judged.proved, {"lost": 6})
    assert judged.ways["weak"].root.kind == SPECIAL
    assert program.ask("wake") == {"woken": 6}


@pytest.mark.parametrize("version", VERSIONS)
def test_unusual_pointers_hold_what_they_lead_to(version: str, go_program: Start) -> None:
    program = go_program("reach/hidden", version=version)
    judged = Judged(program, "reach/hidden")
    assert judged.verdict.decided, judged.verdict.why
    assert judged.blocked["hidden"] == 11
    assert not judged.proved
    assert program.ask("wake") == {"woken": 11}


@pytest.mark.parametrize("version", VERSIONS)
def test_timers_hold_what_they_will_wake(version: str, go_program: Start) -> None:
    judged = Judged(go_program("reach/timers", version=version), "reach/timers")
    assert_proved(judged.proved, {"lost": 50})
    assert {judged.ways[site].root.kind for site in ("after", "after-func", "ticker")} == {PROCESSOR}


def test_a_main_function_that_waits_for_ever_holds_nothing_and_is_not_called_lost(go_program: Start) -> None:
    judged = Judged(go_program("reach/main_rests"), "reach/main_rests")
    assert judged.proved == {"lost": 1, "only-main-knows": 1}


def test_c_code_in_a_process_proves_nothing(go_program: Start) -> None:
    program = go_program("churn", build_env={"CGO_ENABLED": "1"}, flags=("-tags=withcgo",))
    verdict = Judged(program, "churn").verdict
    assert not verdict.decided
    assert "code that is not Go" in verdict.why
    assert not verdict.proved.any()


def test_a_position_independent_program_without_c_is_decided(go_program: Start) -> None:
    judged = Judged(go_program("reach/locks", buildmode="pie"), "reach/locks")
    assert judged.verdict.decided, judged.verdict.why
    assert_proved(judged.proved, LOST_LOCKS)


def test_a_scan_in_any_order_finds_the_same(go_program: Start) -> None:
    program = go_program("reach/channels")
    with opened(program.pid) as target:
        engine = scanner(target)
        scans = [engine.scan(order=order) for order in range(4)]
    accused = [set(scan.goroutines.goid[scan.accused].tolist()) for scan in scans]
    assert accused[0]
    assert accused == [accused[0]] * 4


def test_only_whom_one_suspects_is_looked_at(go_program: Start) -> None:
    program = go_program("reach/channels")
    with opened(program.pid) as target:
        engine = scanner(target)
        everyone = scanned(Judged(program, "reach/channels").verdict)
        one = everyone.goroutines.gopc[everyone.accused][0]
        scan = engine.scan(lambda goroutines: goroutines.gopc == one)
    assert scan.suspects.any()
    assert np.unique(scan.goroutines.gopc[scan.suspects]).tolist() == [one]
