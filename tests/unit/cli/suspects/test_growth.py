from collections.abc import Callable

from gosonde_cli.suspects.growth import Growth
from gosonde_common.values.goroutines import Location

STATEMENT = Location("main.serve", "/src/main.go", 12)


def watched(live: Callable[[float], int], seconds: float = 10.0, every: float = 0.1) -> Growth:
    growth = Growth()
    for step in range(int(seconds / every) + 1):
        growth.add(step * every, {STATEMENT: live(step * every)})
    return growth


def test_goroutines_that_never_end_are_a_growth() -> None:
    assert watched(lambda at: int(50 * at)).of(STATEMENT) > 400


def test_goroutines_that_come_and_go_do_not_hide_those_that_stay() -> None:
    assert watched(lambda at: int(20 * at) + int(at * 10) % 7 * 5).of(STATEMENT) > 100


def test_a_pool_that_was_filled_at_the_start_is_no_growth_and_is_not_cleared() -> None:
    growth = watched(lambda at: min(int(20 * at), 40))
    assert (growth.of(STATEMENT), growth.rose(STATEMENT)) == (0, 40)


def test_waves_are_no_growth() -> None:
    growth = watched(lambda at: 100 if int(at) % 4 < 2 else 10)
    assert (growth.of(STATEMENT), growth.rose(STATEMENT)) == (0, 0)


def test_growth_that_readings_two_seconds_apart_show_is_seen() -> None:
    assert watched(lambda at: 50 * int(at / 2)).of(STATEMENT) == 200


def test_two_readings_are_too_few_to_call_it_a_growth() -> None:
    growth = watched(lambda at: 50 * int(at / 4), seconds=7.0)
    assert (growth.of(STATEMENT), growth.rose(STATEMENT)) == (0, 50)


def test_a_day_is_kept_in_as_little_room_as_ten_seconds_and_shows_the_same() -> None:
    assert watched(int, seconds=86_400, every=60.0).of(STATEMENT) > 70_000


def test_a_rise_is_steady_where_it_goes_on_in_the_second_half() -> None:
    assert watched(lambda at: int(20 * at)).is_steady(STATEMENT)
    assert not watched(lambda at: min(int(20 * at), 100) + int(at)).is_steady(STATEMENT)
    assert not Growth().is_steady(STATEMENT)


def test_a_statement_that_was_never_seen_has_no_growth() -> None:
    assert Growth().of(STATEMENT) == Growth().rose(STATEMENT) == 0
