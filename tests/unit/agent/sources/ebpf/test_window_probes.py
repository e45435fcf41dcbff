"""Probes of a window come all or not at all, and none is left behind."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.host.threads import Workers
from gosonde_agent.model.errors import ProbeError
from gosonde_agent.sources.ebpf.window_probes import WindowProbes


def opener(held: list[int], count: int) -> Callable[[], list[int]]:
    """Opens so many descriptors, as one probe has."""

    def opened() -> list[int]:
        found = [os.open("/dev/null", os.O_RDONLY) for _ in range(count)]
        held.extend(found)
        return found

    return opened


def refused() -> list[int]:
    raise ProbeError("no")


def is_open(descriptor: int) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").exists()


@pytest.mark.parametrize(("together", "count"), [(True, 1), (False, 2)])
def test_all_are_closed_when_close_returns(*, together: bool, count: int) -> None:
    held: list[int] = []
    probes = WindowProbes([opener(held, count)] * 2, Workers("test", 2), together=together)
    probes.open()
    assert [is_open(descriptor) for descriptor in held] == [True] * 2 * count
    unseen_ns = probes.close()
    assert [is_open(descriptor) for descriptor in held] == [False] * 2 * count
    assert (unseen_ns == 0) is together
    assert probes.close() < 1_000_000_000


def test_where_one_is_refused_none_stays() -> None:
    held: list[int] = []
    probes = WindowProbes([opener(held, 1), refused], Workers("test", 2), together=True)
    with pytest.raises(ProbeError):
        probes.open()
    assert len(held) == 1
    assert not is_open(held[0])
