"""How old what a host says is counts from its newest observation, or from what the store has of it."""

from dataclasses import replace

from gosonde_collector.model.values import KnownProcess
from gosonde_collector.telemetry.newest import Newest

from tests.unit.collector.batches import SECOND, START, batch, process

KNOWN = KnownProcess("web-1", process(), 0, 0, 0, START, 0, 0, START + 2 * SECOND, SECOND)


def test_a_batch_makes_its_host_young() -> None:
    newest = Newest()
    newest.seed([KNOWN])
    assert newest.ages(START + 100 * SECOND) == {"web-1": (100 * SECOND, True)}
    newest.take(batch(98), START + 98 * SECOND)
    assert newest.ages(START + 100 * SECOND) == {"web-1": (2 * SECOND, False)}


def test_a_host_of_which_the_store_alone_knows_has_an_age() -> None:
    newest = Newest()
    ended = replace(KNOWN, host="web-3", process=process(ended_unix_nano=START))
    newest.seed([KNOWN, replace(KNOWN, last_observed_unix_nano=START + 90 * SECOND), ended])
    (age, _) = newest.ages(START + 91 * SECOND)["web-1"]
    assert age == 89 * SECOND
    assert "web-3" not in newest.ages(START + 91 * SECOND)


def test_the_version_of_an_agent_is_known_once_a_batch_has_come() -> None:
    newest = Newest()
    newest.seed([KNOWN])
    assert newest.versions() == {}
    newest.take(batch(1), START)
    assert newest.versions() == {"web-1": "0.1.0"}
