"""Which CPUs are online is what the kernel lists; where it lists none, that is an error of a known kind."""

from pathlib import Path

import pytest
from gosonde_agent.host import sampling_events
from gosonde_agent.host.sampling_events import online_cpus
from gosonde_agent.model.errors import UnreadableFileError


def test_cpus_are_listed_one_by_one_and_in_ranges(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listed = tmp_path / "online"
    listed.write_text("0,2-4,7\n")
    monkeypatch.setattr(sampling_events, "ONLINE", listed)
    assert online_cpus() == [0, 2, 3, 4, 7]


def test_where_the_kernel_lists_no_cpus_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sampling_events, "ONLINE", tmp_path / "absent")
    with pytest.raises(UnreadableFileError, match=r"which CPUs are online cannot be read from .*absent"):
        online_cpus()
