"""`gosonde processes` says why there are no probes: once per host, and with nothing that a terminal obeys."""

from collections.abc import Sequence
from types import TracebackType

import pytest
from gosonde.collector_client import ProcessRow, Step
from gosonde_cli.commands import processes
from gosonde_common.errors import UsageError
from gosonde_common.values.containers import Container

from tests.unit.cli.commands.rows import process_row

NO_PROBES = [Step(1, "memory", "no_probes", 0.0)]


def unprobed(host: str, pid: int, because: str) -> ProcessRow:
    row = {"level": "memory", "precise": False, "steps": NO_PROBES, "source": "memory"}
    return process_row(host=host, pid=pid, no_probes_because=because, **row)


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rows: Sequence[ProcessRow]) -> str:
    """What the command prints when a collector answers these rows, with single spaces."""

    class Collector:
        def __init__(self, address: str) -> None:
            self.address = address

        def __enter__(self) -> "Collector":
            return self

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            pass

        def processes(self) -> Sequence[ProcessRow]:
            return rows

    monkeypatch.setattr(processes, "CollectorClient", Collector)
    processes.processes(processes.AskedOfProcesses(wide=True))
    return " ".join(capsys.readouterr().out.split())


def test_each_host_without_probes_is_named_once_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [unprobed("web-1", 1, "no BPF"), unprobed("web-1", 2, "no BPF"), unprobed("web-2", 3, "no bcc")]
    said = printed(monkeypatch, capsys, [*rows, process_row(host="web-3")])
    assert said.count("host web-1: no probes: no BPF") == 1
    assert said.count("host web-2: no probes: no bcc") == 1
    assert "host web-3" not in said


def test_a_reason_that_the_collector_does_not_know_is_looked_for_on_the_host(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(monkeypatch, capsys, [unprobed("web-1", 1, "")])
    assert "host web-1: no probes: its agent may place none; `gosonde doctor` there says why" in said


def test_what_a_host_says_does_not_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(monkeypatch, capsys, [unprobed("web\x1b[2J", 1, "no\x1b]0;BPF\x07 [red]at all[/red]\u202e")])
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert "[red]at all[/red]" in said


def test_the_source_of_each_process_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = process_row(pid=3, level="refused", source="")
    said = printed(monkeypatch, capsys, [process_row(go_version="go1"), unprobed("web-1", 2, "no BPF"), refused])
    assert "SOURCE" in said
    assert "go1 ebpf" in said
    assert "go1.27.3 memory" in said
    assert "go1.27.3 -" in said


def test_a_process_in_a_container_shows_pod_and_namespace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = process_row(pid=1, container=Container("a" * 64, "", "shop", "web-0", "server", "web"))
    said = printed(monkeypatch, capsys, [inside, process_row(pid=2, container=Container("b" * 64))])
    assert "EXE POD NAMESPACE WORKLOAD CONTAINER LEVEL" in said
    assert "/srv/app web-0 shop web server full" in said
    assert f"/srv/app {'b' * 12} full" in said
    assert "POD" not in printed(monkeypatch, capsys, [process_row()])


def test_a_name_that_no_pod_can_have_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="--pod is 'Web 0', which is no name that Kubernetes gives"):
        processes.AskedOfProcesses(pod="Web 0")
