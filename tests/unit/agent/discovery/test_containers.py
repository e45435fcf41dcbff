"""A process has the container that its control group names, if that is for certain, and the names that are known."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde_agent.discovery import named
from gosonde_agent.discovery.containers import container_of
from gosonde_agent.host import procfs
from gosonde_agent.model.container_names import ContainerNames
from gosonde_common.values.containers import NO_CONTAINER, Container

ID, OTHER, PID = "a" * 64, "b" * 64, os.getpid()
UID = "0b7e3a4c-9f31-4d52-8a77-5a1d2c3b4e5f"
SLICE = f"/kubepods.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"


class Known:
    """Knows one container, and is never asked."""

    def names(self, container_id: str) -> ContainerNames | None:
        raise AssertionError(f"asked for {container_id}")

    def kept(self, container_id: str) -> ContainerNames | None:
        return ContainerNames("shop", "web-0", "server", "web") if container_id == ID else None


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    named.use(Known())
    yield
    named.use(named.Nobody())


def found(proc: Path, group: str, monkeypatch: pytest.MonkeyPatch, ticks: int = 0) -> Container:
    """Of this very process, as if it were in a control group."""
    (proc / str(PID)).mkdir(exist_ok=True)
    (proc / str(PID) / "cgroup").write_text(f"0::{group}\n")
    monkeypatch.setattr("gosonde_agent.discovery.facts.PROC", proc)
    return container_of(PID, procfs.start_of(PID).ticks + ticks)


def test_names_that_are_known_already_stand_beside_id_and_uid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = f"{SLICE}/cri-containerd-{ID}.scope"
    assert found(tmp_path, group, monkeypatch) == Container(ID, UID, "shop", "web-0", "server", "web")


def test_without_names_the_ids_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(tmp_path, f"{SLICE}/cri-containerd-{OTHER}.scope", monkeypatch) == Container(OTHER, UID)
    assert found(tmp_path, f"/system.slice/docker-{OTHER}.scope", monkeypatch) == Container(OTHER)


@pytest.mark.parametrize("group", ["/", "/system.slice/ssh.service", f"{SLICE}/{ID}/{OTHER}"])
def test_a_process_in_no_container_or_in_one_within_another_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    assert found(tmp_path, group, monkeypatch) == NO_CONTAINER


def test_a_pid_that_is_another_processs_by_now_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(tmp_path, f"/{ID}", monkeypatch, ticks=1) == NO_CONTAINER
    assert container_of(1 << 30, 1) == NO_CONTAINER
