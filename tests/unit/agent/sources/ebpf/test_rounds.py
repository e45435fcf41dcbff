"""What a hit costs comes out the same, however often the host disturbed the measurement."""

import random
import statistics

import pytest
from gosonde_agent.sources.ebpf.rounds import Round, estimated

#: (with the probe, without, whether it was disturbed), measured beside 8 busy loops, on 2 cores with a load of 78.
RECORDED = (
    *((690, 168, False), (697, 260, True), (751, 157, False), (699, 151, False), (688, 267, False), (709, 151, False)),
    *((681, 232, True), (764, 177, False), (672, 168, False), (694, 169, False), (686, 169, False), (691, 196, True)),
    *((723, 166, False), (706, 165, False), (704, 176, False), (693, 167, False), (1115, 200, True), (706, 169, False)),
    *((701, 166, False), (695, 150, False), (694, 167, False), (682, 209, True), (732, 168, False), (1020, 165, True)),
    *((678, 168, False), (679, 165, False), (764, 190, True), (712, 167, False), (691, 172, False), (697, 150, False)),
    *((694, 167, False), (680, 183, True), (1061, 169, True)),
)
#: Of the same host when it had less to do.
QUIET_NS = 520


def test_recorded_rounds_of_a_busy_host_say_what_a_quieter_one_says() -> None:
    estimate = estimated([Round(*one) for one in RECORDED])
    assert estimate.ns == pytest.approx(QUIET_NS, rel=0.03)
    assert 0 < estimate.error_ns < 0.05 * QUIET_NS
    assert estimate.disturbed == pytest.approx(9 / 33)


def test_so_do_rounds_of_which_most_were_longer_by_half_and_nothing_was_seen_to_disturb_them() -> None:
    rng = random.Random(1)
    slowed = [1.0 if rng.random() < 0.4 else rng.uniform(1.3, 2.5) for _ in RECORDED]
    rounds = [
        Round(probed * factor, bare * factor, is_disturbed=False)
        for (probed, bare, _), factor in zip(RECORDED, slowed, strict=True)
    ]
    assert statistics.median(one.probed_ns - one.bare_ns for one in rounds) > 1.2 * QUIET_NS
    assert estimated(rounds).ns == pytest.approx(QUIET_NS, rel=0.1)


def test_the_error_covers_a_host_that_was_slow_in_every_other_round() -> None:
    rounds = [Round(700 * factor, 170 * factor, is_disturbed=False) for factor in (1.0, 2.0) * 8]
    estimate = estimated(rounds)
    assert estimate.ns == pytest.approx(530)
    assert estimate.error_ns >= 530 / 2


def test_disturbed_rounds_count_where_there_are_hardly_others() -> None:
    rounds = [Round(700.0, 170.0, is_disturbed=True)] * 11 + [Round(900.0, 170.0, is_disturbed=False)]
    estimate = estimated(rounds)
    assert (estimate.ns, estimate.error_ns) == (530.0, 0.0)
    assert estimate.disturbed == pytest.approx(11 / 12)


def test_a_probe_that_seems_to_save_time_costs_nothing() -> None:
    assert estimated([Round(100.0, 120.0, is_disturbed=False)]).ns == 0
