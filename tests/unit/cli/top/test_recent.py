"""Rates of the live view are those of the last seconds."""

from gosonde_cli.top.recent import Recent, figure

PLACE, LATER = ("main.leak", "main.go", 1), ("main.new", "main.go", 2)


def test_one_moment_says_nothing_of_rates() -> None:
    recent = Recent()
    recent.add(1.0, {PLACE: (100, 0)})
    assert recent.per_second(PLACE) is None


def test_a_rate_is_that_of_the_last_seconds_and_not_since_the_beginning() -> None:
    recent = Recent()
    for second in range(60):
        recent.add(float(second), {PLACE: (1_000 if second < 30 else 1_000 + 10 * (second - 30), 0)})
    assert recent.per_second(PLACE) == (10.0, 0.0)


def test_a_statement_that_is_new_began_with_nothing() -> None:
    recent = Recent()
    recent.add(0.0, {})
    recent.add(2.0, {LATER: (8, 4)})
    assert recent.per_second(LATER) == (4.0, 2.0)


def test_an_estimate_that_becomes_smaller_is_no_negative_rate() -> None:
    recent = Recent()
    recent.add(0.0, {PLACE: (100, 100)})
    recent.add(1.0, {PLACE: (90, 101)})
    assert recent.per_second(PLACE) == (0.0, 1.0)


def test_rates_have_three_digits_and_say_what_is_estimated() -> None:
    texts = [figure(rate, is_about=False).text for rate in (0.0, 0.25, 12.34, 1240.4)]
    assert texts == ["0", "0.25", "12.3", "1,240"]
    assert figure(1240.4, is_about=True).text == "~1,240"
    assert figure(None, is_about=True).text == "-"
