"""Programs that move pointers while they are scanned: nothing that somebody can wake is ever proved to be lost."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from gosonde_agent.host import access
from gosonde_agent.model.errors import NotPermittedError
from gosonde_agent.sources.memory.reachability.limits import Limits
from gosonde_agent.sources.memory.reachability.proving import Verdict, prove
from gosonde_agent.sources.memory.target import opened

from tests.go_programs import GoProgram
from tests.integration.agent.sources.memory.reachability.judging import Judged, scanned, scanner
from tests.versions import VERSIONS

Start = Callable[..., GoProgram]

#: Of proofs, until enough goroutines were met that waited.
ROUNDS = 30


def verdicts(program: GoProgram, name: str) -> Iterator[Verdict]:
    """Proofs, one after the other, until enough goroutines were met that waited."""
    looked_at = 0
    for _ in range(ROUNDS):
        verdict = Judged(program, name).verdict
        yield verdict
        looked_at += int(scanned(verdict).suspects.sum())
        if looked_at >= 20:
            break
    assert looked_at >= 20


@pytest.mark.parametrize("version", VERSIONS)
def test_replies_maps_locks_and_growing_stacks_at_full_speed_lose_nobody(version: str, go_program: Start) -> None:
    program = go_program("reach/replies", "40", version=version)
    before = program.ask("rounds")["rounds"]
    for verdict in verdicts(program, "reach/replies"):
        assert not verdict.proved.any()
        assert not verdict.probable.any()
    assert program.ask("rounds")["rounds"] > before


def test_pointers_that_are_swapped_without_a_pause_are_never_lost(go_program: Start) -> None:
    program = go_program("reach/swapping", "500")
    before = program.ask("moves")["moves"]
    for _ in range(5):
        verdict = Judged(program, "reach/swapping").verdict
        assert scanned(verdict).suspects.sum() >= 490
        assert not verdict.proved.any()
    assert program.ask("moves")["moves"] > before


@pytest.mark.parametrize("turns", ["100000", "3000000"], ids=["short", "long"])
def test_what_a_loop_keeps_in_a_register_alone_is_never_lost(turns: str, go_program: Start) -> None:
    program = go_program("reach/registers", "1", turns)
    before = program.ask("moves")["moves"]
    seen = 0
    with opened(program.pid) as target:
        engine = scanner(target)
        for order in range(100):
            scan = engine.scan(order=order)
            seen += not scan.unseen
            assert scan.unseen or not scan.accused.any()
    assert seen
    assert program.ask("moves")["moves"] > before


@pytest.mark.parametrize("version", VERSIONS)
def test_what_goes_from_hand_to_hand_is_never_lost(version: str, go_program: Start) -> None:
    program = go_program("reach/passed", "30", version=version)
    before = program.ask("rounds")["rounds"]
    for verdict in verdicts(program, "reach/passed"):
        assert not verdict.proved.any()
    assert program.ask("rounds")["rounds"] > before


class WithoutEvents(access.Direct):
    """May not sample threads."""

    def thread_event(self, pid: int, thread: int, *, at_switches: bool) -> int:
        raise NotPermittedError(f"{pid} {thread} {at_switches}")


@pytest.fixture
def without_events() -> Iterator[None]:
    before = access.current()
    access.use(WithoutEvents())
    yield
    access.use(before)


@pytest.mark.usefixtures("without_events")
def test_without_samples_of_registers_only_a_process_at_rest_has_lost_goroutines(go_program: Start) -> None:
    assert Judged(go_program("reach/channels"), "reach/channels").proved
    verdict = Judged(go_program("reach/registers", "1", "100000"), "reach/registers").verdict
    assert not verdict.proved.any()
    if verdict.probable.any():
        assert "registers" in verdict.why


def test_who_is_woken_between_two_scans_is_no_longer_accused(go_program: Start) -> None:
    program = go_program("reach/channels")
    with opened(program.pid) as target:
        engine = scanner(target)
        first = engine.scan()
        later = engine.scan(lambda goroutines: ~np.isin(goroutines.goid, first.goroutines.goid[first.accused]))
    # Who is not suspected is alive, and so is everybody whom these could wake.
    assert not later.accused.any()


def test_a_program_that_is_larger_than_the_limits_is_not_decided(go_program: Start) -> None:
    program = go_program("reach/large", "3000", "1000", "8")
    reasons = {
        Limits(goroutines=100): "goroutines",
        Limits(spans=10): "spans",
        Limits(objects=1_000): "objects",
        Limits(read_bytes=1 << 20): "bytes of memory",
        Limits(stack_pointers=1_000): "stacks of blocked goroutines",
        Limits(edges=1_000): "goroutines wait for",
        Limits(cpu_seconds=0.0): "CPU time",
        Limits(seconds=0.0): "longer than",
    }
    with opened(program.pid) as target:
        for limits, reason in reasons.items():
            verdict = prove(scanner(target, limits))
            assert not verdict.decided
            assert reason in verdict.why
            assert not verdict.proved.any()


def test_who_is_given_up_is_neither_lost_nor_decided(go_program: Start) -> None:
    program = go_program("reach/large", "300", "100", "1")
    with opened(program.pid) as target:
        for limits in (Limits(levels=0), Limits(front=10)):
            verdict = prove(scanner(target, limits))
            assert not verdict.decided
            assert verdict.why.startswith("not all holders of")
            assert not scanned(verdict).accused.any()
            assert scanned(verdict).given_up.sum() >= 300
