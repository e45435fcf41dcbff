"""Rules say which processes are watched, by what the kernel says of them."""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde_agent.discovery import facts
from gosonde_agent.discovery.selection import Selection, parse_rules

ID = "0123456789abcdef" * 4
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def labelled() -> Iterator[int]:
    """A process with two labels."""
    environment = os.environ | {"GOSONDE_LABELS": "team=payments, tier=1"}
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_labels_come_from_the_environment_that_a_process_was_started_with(labelled: int) -> None:
    assert facts.labels(labelled) == {"team=payments", "tier=1"}
    assert facts.users(labelled) == {str(os.getuid()), ME}


@pytest.mark.parametrize(
    ("cgroup", "units", "containers"),
    [
        ("0::/system.slice/api.service\n", {"system.slice", "api.service"}, set()),
        (f"0::/system.slice/docker-{ID}.scope\n", {"system.slice", f"docker-{ID}.scope"}, {ID}),
        (f"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope\n", None, {ID}),
        (f"12:cpu:/docker/{ID}\n11:memory:/docker/{ID}\n", set(), {ID}),
        ("0::/\n", set(), set()),
        (f"0::/{ID}0\n", set(), set()),
    ],
)
def test_units_and_containers_come_from_the_control_group(
    cgroup: str, units: set[str] | None, containers: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "cgroup").write_text(cgroup)
    monkeypatch.setattr(facts, "PROC", tmp_path)
    assert units is None or facts.units(1) == units
    assert facts.containers(1) == containers


UID = "0f6a1c3e-52d4-4b7a-9c1e-7d2b8a90e4f5"
STATIC = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("cgroup", "pods"),
    [
        (f"0::/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/crio-{ID}.scope", {UID}),
        (f"0::/kubelet-kubepods-burstable-pod{UID.replace('-', '_')}.slice/cri-containerd-{ID}.scope", {UID}),
        (f"0::/kubepods-burstable-pod{STATIC}.slice/cri-containerd-{ID}.scope", {STATIC}),
        (f"5:cpu:/kubepods/burstable/pod{UID}/{ID}\n4:memory:/kubepods/burstable/pod{UID}/{ID}\n", {UID}),
        (f"0::/system.slice/containerd.service/kubepods-pod{UID.replace('-', '_')}.slice:cri-containerd:{ID}", {UID}),
        (f"0::/../../pod{UID}/{ID}", {UID}),
        (f"0::/kubepods/pod{UID}", {UID}),
        (f"0::/machine.slice/machine-libpod_pod_{ID}.slice/libpod-{ID}.scope", set()),
        (f"0::/kubepods/pod{UID}0/{ID}", set()),
        (f"0::/tripod{UID}/{ID}", set()),
        ("0::/kubepods/podcast", set()),
    ],
)
def test_the_uid_of_a_pod_comes_from_the_control_group(
    cgroup: str, pods: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "cgroup").write_text(cgroup)
    monkeypatch.setattr(facts, "PROC", tmp_path)
    assert facts.pods(1) == pods
    assert selection(deny=(f"pod:{UID}",)).selects(1, "/x") == (UID not in pods)


def selection(allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> Selection:
    return Selection(allow=parse_rules("allow", allow), deny=parse_rules("deny", deny))


def test_a_rule_that_denies_wins_over_one_that_allows(labelled: int) -> None:
    path = str(Path(sys.executable).resolve())
    assert selection().selects(labelled, path)
    assert selection(allow=("label:team=*",)).selects(labelled, path)
    assert not selection(allow=("label:team=search",)).selects(labelled, path)
    assert selection(allow=("label:team=search", f"user:{ME}")).selects(labelled, path)
    assert not selection(allow=("label:team=*",), deny=("exe:*/python*",)).selects(labelled, path)
    assert not Selection(pids=frozenset({labelled}), deny=parse_rules("deny", (f"user:{ME}",))).selects(labelled, path)


def test_a_process_that_is_gone_matches_no_rule_about_it() -> None:
    pid = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    ).stdout
    assert not selection(allow=("label:*", "user:*", "unit:*", "container:*", "pod:*")).selects(int(pid), "/x")


def test_probes_are_for_a_whole_file_only_when_all_its_processes_are_meant() -> None:
    assert selection(deny=("exe:/usr/*",)).by_file("/srv/app")
    assert not selection(deny=("exe:/usr/*",)).by_file("/usr/app")
    assert not selection(deny=("label:probes=no",)).by_file("/srv/app")


def test_where_pids_alone_are_named_no_other_process_need_be_looked_at() -> None:
    assert Selection(pids=frozenset({7})).candidates == frozenset({7})
    assert Selection(pids=frozenset({7}), deny=parse_rules("deny", ("exe:/x",))).candidates == frozenset({7})
    assert Selection(pids=frozenset({7}), exe=("/srv/*",)).candidates is None
    assert Selection().candidates is None
