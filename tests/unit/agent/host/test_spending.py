"""The CPU time of agent and helper keeps the limit over each minute, because what can wait waits for room."""

import os
import subprocess
import sys

import pytest
from gosonde_agent.host.spending import FILLED_PART, LEAST_PART, UNKNOWN_PART, WINDOW_SECONDS, Spending, Taken

LIMIT = 0.02
MINUTE = LIMIT * WINDOW_SECONDS


class Agent:
    """Seconds of time and of a CPU, as a test has them pass, one after the other.

    Attributes:
        history: What had been taken in all after each second.
    """

    def __init__(self) -> None:
        self.now, self.taken = 100.0, 5.0
        self.spending = Spending(lambda: self.now, lambda: self.taken)
        self.history = [self.taken]

    def goes_on(self, rest: float, each: float = 0.0, seconds: int = 1) -> int:
        """All else takes `rest` a second, what can wait `each` whenever there is room; how often that was."""
        times = 0
        for _ in range(seconds):
            self.now += 1.0
            self.taken += rest
            while each and self.spending.room(LIMIT) > 0:
                self.taken += each
                self.spending.waited(each)
                times += 1
            self.spending.room(LIMIT)
            self.history.append(self.taken)
        return times

    def most_in_a_minute(self) -> float:
        minute = round(WINDOW_SECONDS)
        """CPU seconds; what is beyond a millionth of one is no error of adding."""
        most = max(self.history[end] - self.history[max(end - minute, 0)] for end in range(1, len(self.history)))
        return round(most, 6)


@pytest.mark.parametrize("rest", [0.0, 0.005, 0.015])
def test_over_any_minute_the_limit_holds_however_much_waits(rest: float) -> None:
    agent = Agent()
    agent.goes_on(rest, seconds=60)
    assert agent.goes_on(rest, each=0.007, seconds=600) > 0
    assert agent.most_in_a_minute() <= MINUTE + 0.007


@pytest.mark.parametrize("part", [0.0, 0.25, UNKNOWN_PART])
def test_the_first_minute_keeps_the_limit_where_all_else_takes_half_of_it_at_most(part: float) -> None:
    agent = Agent()
    assert agent.goes_on(part * LIMIT, each=0.007, seconds=120) > 0
    assert agent.most_in_a_minute() <= MINUTE + 0.007


def test_what_was_not_used_for_a_minute_may_be_taken_at_once() -> None:
    agent = Agent()
    agent.goes_on(0.005, seconds=120)
    assert 0.85 < 0.1 * agent.goes_on(0.005, each=0.1) <= 1.0
    agent.goes_on(0.005, each=0.1, seconds=100)
    assert agent.most_in_a_minute() <= MINUTE + 0.1


def test_where_all_else_takes_the_limit_what_can_wait_still_has_a_little() -> None:
    agent = Agent()
    agent.goes_on(0.03, seconds=60)
    assert 0 < 0.01 * agent.goes_on(0.03, each=0.01, seconds=600) <= 10 * LEAST_PART * MINUTE + 0.1


def test_it_is_crowded_where_all_else_takes_the_limit_and_not_where_what_can_wait_has_filled_it() -> None:
    agent = Agent()
    agent.goes_on(0.005, each=0.007, seconds=100)
    assert agent.spending.room(LIMIT) <= 0
    assert not agent.spending.is_crowded(LIMIT)
    agent.goes_on(0.02, seconds=60)
    assert agent.spending.is_crowded(LIMIT)


def test_a_burst_of_all_else_is_made_up_for_within_the_minute() -> None:
    agent = Agent()
    agent.goes_on(0.001, seconds=60)
    agent.goes_on(0.6)
    agent.goes_on(0.001, each=0.007, seconds=120)
    assert agent.most_in_a_minute() <= MINUTE + 0.007


def test_what_was_taken_before_it_began_does_not_count() -> None:
    agent = Agent()
    agent.goes_on(50.0)
    assert agent.spending.share() > 1
    agent.spending.begin()
    assert agent.spending.share() == agent.spending.rest() == 0.0
    assert agent.spending.room(LIMIT) == pytest.approx(MINUTE * FILLED_PART * (1 - UNKNOWN_PART))


def test_the_rest_is_what_neither_waits_nor_observes() -> None:
    agent = Agent()
    for _ in range(300):
        agent.goes_on(0.018)
        agent.spending.waited(0.004)
        agent.spending.observed(0.006)
    assert agent.spending.share() == pytest.approx(0.018, rel=0.05)
    assert agent.spending.rest() == pytest.approx(0.008, rel=0.05)


def test_what_another_process_takes_counts_and_stays_when_it_has_ended() -> None:
    code = "import sys, time\nwhile time.process_time() < 0.2: pass\nprint(flush=True); sys.stdin.read()"
    helper = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert helper.stdout is not None
    helper.stdout.readline()
    taken, own = Taken(helper.pid), Taken(os.getpid())
    assert taken() >= 0.2
    helper.communicate()
    assert taken() >= 0.2
    assert own() > 0
