"""What a window on sites has shown, and that it begins and ends its counting whatever happens."""

import threading

import numpy as np
import numpy.typing as npt
import pytest
from gosonde_agent.model.errors import ProbeError
from gosonde_agent.sources.counters import Image
from gosonde_agent.sources.site_window import SiteProbes, Sites, SiteWindow

IMAGE, OTHER = Image(1, 0, 1), Image(2, 0, 1)


def _no_hits() -> npt.NDArray[np.uint64]:
    return np.zeros(4, np.uint64)


class Kernel:
    """Counts so many at each site as soon as it is told to count."""

    def __init__(self, adds: Sites, refusal: ProbeError | None = None) -> None:
        self.sites: dict[Image, dict[int, tuple[int, int]]] = {IMAGE: {7: (100, 90)}}
        self.adds = adds
        self.refusal = refusal
        self.calls: list[object] = []
        self.counting = threading.Event()

    def window(self, seconds: float = 0.0) -> SiteWindow:
        probes = SiteProbes(self._open, self._count, self._close, self._read, self._samples, _no_hits)
        return SiteWindow(probes, seconds)

    def _open(self) -> None:
        if self.refusal:
            raise self.refusal
        self.calls.append("open")

    def _count(self, on: bool) -> None:
        self.calls.append(on)
        if on:
            self.sites = {**self.sites, **{image: dict(sites) for image, sites in self.adds.items()}}
            self.counting.set()

    def _close(self) -> int:
        self.calls.append("close")
        return 5

    def _read(self) -> Sites:
        return self.sites

    def _samples(self) -> Sites:
        return {IMAGE: {7: (20, 3)}, OTHER: {7: (4, 2 if self.counting.is_set() else 0)}}


def test_it_has_what_was_counted_between_two_readings_and_nothing_that_was_not() -> None:
    kernel = Kernel({IMAGE: {7: (103, 90), 8: (0, 2)}, OTHER: {7: (1, 1)}})
    window = kernel.window()
    window.run()
    assert window.sample is not None
    assert window.sample.sites == {IMAGE: {7: (3, 0), 8: (0, 2)}, OTHER: {7: (1, 1)}}
    assert window.sample.samples == {OTHER: {7: (0, 2)}}
    assert window.sample.unseen_ns == 5
    assert kernel.calls == ["open", True, False, "close"]


def test_a_process_of_which_nothing_was_counted_is_not_in_it() -> None:
    window = Kernel({}).window()
    window.run()
    assert window.sample is not None
    assert window.sample.sites == {}


def test_one_that_was_ended_before_it_began_touches_nothing() -> None:
    kernel = Kernel({})
    window = kernel.window()
    window.end()
    window.wait()
    window.run()
    assert (window.sample, kernel.calls, window.is_closing) == (None, [], False)


def test_one_that_is_ended_from_elsewhere_closes_at_once() -> None:
    kernel = Kernel({IMAGE: {7: (101, 90)}})
    window = kernel.window(seconds=600.0)
    thread = threading.Thread(target=window.run)
    thread.start()
    kernel.counting.wait()
    window.end()
    window.wait()
    thread.join()
    assert window.sample is not None
    assert window.sample.sites == {IMAGE: {7: (1, 0)}}
    assert kernel.calls == ["open", True, False, "close"]


def test_probes_that_are_refused_are_its_failure() -> None:
    refusal = ProbeError("no")
    kernel = Kernel({}, refusal)
    window = kernel.window()
    window.run()
    window.wait()
    assert (window.failure, window.sample, kernel.calls) == (refusal, None, [])


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_its_length_is_the_time_in_which_it_counted(seconds: float) -> None:
    window = Kernel({}).window(seconds)
    window.run()
    assert window.sample is not None
    assert window.sample.ns >= seconds * 1e9
