"""A trace begins at once when an earlier one has compiled the probes, and says what it saw before it takes them out."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.sources.ebpf.compiled_file import FILE_NAME
from gosonde_agent.watch.trace.seen import Trace
from gosonde_agent.watch.trace.tracing import trace_pid

from tests import kept_probes
from tests.go_programs import GoProgram


def sum_created(trace: Trace) -> int:
    return sum(site.created for site in trace.sites)


@pytest.mark.usefixtures("ebpf")
def test_a_trace_needs_no_compiler_when_the_probes_were_kept(
    go_program: Callable[..., GoProgram], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = go_program("parked", "3")
    kept_probes.give(tmp_path / "gosonde")
    monkeypatch.setattr("gosonde_agent.watch.trace.attaching.cache_folder", lambda: tmp_path / "gosonde")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    created: list[int] = []

    def on_step(elapsed: float, so_far: Trace) -> None:
        created.append(sum_created(so_far))
        if not elapsed:
            program.ask("spin 20")

    with trace_pid(program.pid, 0.3, on_step) as seen:
        assert sum_created(seen) > created[0] == 0
    assert (tmp_path / "gosonde" / FILE_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("ebpf")
def test_the_first_trace_keeps_what_it_compiled(
    go_program: Callable[..., GoProgram], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = go_program("parked", "3")
    monkeypatch.setattr("gosonde_agent.watch.trace.attaching.cache_folder", lambda: tmp_path / "gosonde")
    with trace_pid(program.pid, 0.01, lambda _elapsed, _so_far: None) as seen:
        assert seen.process is not None
    kept = tmp_path / "gosonde" / FILE_NAME
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o022 == 0
