"""Breakpoints leave when they do harm, and stay when they do none."""

from gosonde_agent.sources.ptrace.breakpoints.harm import Harm


def test_breakpoints_that_are_hit_rarely_and_held_shortly_stay() -> None:
    harm = Harm(0.0)
    for second in range(1, 20):
        for _ in range(400):
            harm.add(30_000)
        assert harm.too_much(float(second), 0) == ""


def test_more_than_500_hits_a_second_are_too_many() -> None:
    harm = Harm(0.0)
    for _ in range(600):
        harm.add(30_000)
    assert harm.too_much(0.5, 0) == ""
    assert harm.too_much(1.0, 0) == "breakpoints were hit 600 times a second: more than 500"


def test_threads_that_are_held_for_more_than_a_millisecond_are_held_too_long() -> None:
    harm = Harm(0.0)
    for _ in range(20):
        harm.add(2_500_000)
    assert harm.too_much(0.5, 0) == "a hit held its thread for 2.5 ms in the median: more than 1"


def test_a_few_long_holds_among_many_short_ones_are_no_harm() -> None:
    harm = Harm(0.0)
    for number in range(100):
        harm.add(50_000_000 if number % 3 == 0 else 20_000)
    assert harm.too_much(0.5, 0) == ""


def test_threads_that_stand_because_the_tracer_gets_no_cpu_are_held_too_long() -> None:
    harm = Harm(0.0, waited_ns=900_000_000)
    for _ in range(20):
        harm.woke()
        harm.add(20_000)
    assert harm.too_much(0.1, 901_000_000) == ""
    for _ in range(20):
        harm.woke()
        harm.add(20_000)
    assert harm.too_much(0.2, 961_000_000) == "a hit held its thread for 3.0 ms in the median: more than 1"
