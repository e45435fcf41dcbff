"""Rules by the names of containers, which a real containerd knows."""

import json
import os
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent.discovery import facts, named
from gosonde_agent.discovery.container_runtime import ContainerRuntime
from gosonde_agent.discovery.selection import Selection, parse_rules
from gosonde_agent.model.container_names import ContainerNames
from gosonde_common.errors import GosondeError, UnavailableError
from gosonde_common.values.containers import NO_CONTAINER, Container

from tests.agent_process import AgentProcess, eventually, free_port
from tests.collector_process import GOSONDE, CollectorProcess
from tests.containerd import Containerd
from tests.integration.watching import Watch, watching
from tests.kubelet_server import PODS, kubelet, pods

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make containers")

SHOP, NIGHT = "checkout-7d9f6c5b4d-x2k9p", "night-28934-q7z2x"
EXE = "/churn"


@pytest.fixture(scope="module")
def containerd() -> Iterator[Containerd]:
    # A path of its own: that of pytest's folders is too long for sockets.
    with tempfile.TemporaryDirectory(prefix="gosonde-cri.") as folder, Containerd(Path(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def shop(containerd: Containerd) -> tuple[str, int]:
    """(id, pid) of a container of a Deployment."""
    return containerd.run(SHOP, "shop", "server", {"pod-template-hash": "7d9f6c5b4d"})


@pytest.fixture(scope="module")
def night(containerd: Containerd) -> tuple[str, int]:
    """(id, pid) of a container of a Job."""
    return containerd.run(NIGHT, "batch", "worker", {"batch.kubernetes.io/job-name": "night-28934"})


@pytest.fixture
def asked(containerd: Containerd) -> Iterator[ContainerRuntime]:
    """The runtime as this process asks it, which knows nothing yet."""
    runtime = ContainerRuntime(f"unix:{containerd.socket}")
    named.use(runtime)
    yield runtime
    named.use(named.Nobody())


def test_a_process_has_the_names_that_the_kubelet_gave(
    asked: ContainerRuntime, shop: tuple[str, int], night: tuple[str, int]
) -> None:
    assert asked.names(shop[0]) == ContainerNames("shop", SHOP, "server", "checkout")
    assert asked.names(night[0]) == ContainerNames("batch", NIGHT, "worker", "night-28934")
    pid = shop[1]
    found = [facts.namespaces(pid), facts.pod_names(pid), facts.container_names(pid), facts.workloads(pid)]
    assert found == [{"shop"}, {SHOP}, {"server"}, {"checkout"}]
    assert len(facts.pods(pid)) == 1, "the UID is known without asking, and stays a fact of its own"


def test_a_container_that_the_runtime_does_not_know_has_no_names(asked: ContainerRuntime) -> None:
    assert asked.names("0" * 64) is None
    assert facts.namespaces(os.getpid()) == frozenset(), "nor has a process in no container"


def watched(watch: Watch) -> set[int]:
    """Pids of those that the newest observations report as running."""
    watch.observe()
    return {process.key.pid for process in watch.processes.values() if not process.ended_unix_nano}


@pytest.mark.usefixtures("ebpf", "asked")
@pytest.mark.parametrize(
    ("allow", "deny"),
    [
        (("namespace:sh*",), ()),
        (("pod-name:checkout-*",), ()),
        (("workload:checkout",), ()),
        (("container-name:server", "namespace:none"), ()),
        ((), ("namespace:batch",)),
        (("container-name:*",), ("workload:night-*",)),
    ],
)
def test_rules_by_name_say_who_is_watched(
    shop: tuple[str, int], night: tuple[str, int], allow: tuple[str, ...], deny: tuple[str, ...]
) -> None:
    with watching(exe="/nobody-runs-this") as watch:
        rules = parse_rules("allow", allow), parse_rules("deny", deny)
        watch.monitor.select(Selection((EXE,), frozenset(), *rules))
        eventually(lambda: shop[1] in watched(watch))
        assert night[1] not in watched(watch)


@pytest.mark.usefixtures("ebpf", "asked")
def test_while_the_runtime_does_not_answer_nobody_is_watched_whom_its_names_may_deny(
    containerd: Containerd, shop: tuple[str, int], night: tuple[str, int]
) -> None:
    containerd.stop()
    try:
        with pytest.raises(UnavailableError, match="UNAVAILABLE"):
            named.current().names(shop[0])
        with watching(exe="/nobody-runs-this") as watch:
            deny = parse_rules("deny", ("namespace:batch",))
            watch.monitor.select(Selection((EXE,), deny=deny))
            assert not watched(watch) & {shop[1], night[1]}
            containerd.start()
            eventually(lambda: shop[1] in watched(watch), seconds=120)
            assert night[1] not in watched(watch)
    finally:
        if not containerd.is_running:
            containerd.start()


@pytest.mark.usefixtures("ebpf")
def test_the_agent_asks_the_runtime_of_its_configuration(
    containerd: Containerd, shop: tuple[str, int], night: tuple[str, int], tmp_path: Path
) -> None:
    http = f"127.0.0.1:{free_port()}"
    keys = f'cri = "unix:{containerd.socket}"\nallow = ["namespace:shop"]\nhttp = "{http}"\n'
    (tmp_path / "agent.toml").write_text(keys)
    with ExitStack() as stack:
        collector = stack.enter_context(CollectorProcess(tmp_path)).address
        agent = AgentProcess(tmp_path, collector, EXE)
        stack.callback(agent.kill)

        def reported() -> set[int]:
            try:
                with AgentClient(agent.listen, timeout_seconds=5) as client:
                    return {process.key.pid for process in client.observation().processes}
            except GosondeError:
                return set()

        eventually(lambda: shop[1] in reported())
        assert night[1] not in reported()
        named_so = ("--namespace", "shop", "--pod", SHOP, "--workload", "checkout")
        eventually(lambda: pids(collector, *named_so) == [shop[1]])
        (row,) = listed("processes", collector, *named_so)
        (uid,) = facts.pods(shop[1])
        assert row["container"] == {
            "id": shop[0], "pod_uid": uid, "namespace": "shop", "pod": SHOP, "name": "server", "workload": "checkout",
        }  # fmt: skip
        with urllib.request.urlopen(f"http://{http}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        labels = f'exe="/churn",host="",namespace="shop",pid="{shop[1]}",pod="{SHOP}",workload="checkout"'
        assert f'gosonde_process_container_info{{container="server",{labels}}} 1.0' in text


@pytest.mark.usefixtures("ebpf")
def test_without_a_socket_the_agent_asks_the_kubelet(shop: tuple[str, int], tmp_path: Path) -> None:
    listed_by_it = PODS.replace(b"5" * 64, shop[0].encode())
    with kubelet(tmp_path, pods(listed_by_it)) as server:
        keys = "".join(f'{key} = "{value}"\n' for key, value in server.keys.items())
        (tmp_path / "agent.toml").write_text(f'{keys}allow = ["workload:ledger"]\n')
        agent = AgentProcess(tmp_path, "", EXE)
        try:

            def known() -> Container:
                try:
                    with AgentClient(agent.listen, timeout_seconds=5) as client:
                        return client.observation(shop[1]).processes[0].container
                except (GosondeError, IndexError):
                    return NO_CONTAINER

            eventually(lambda: known().pod == "ledger-0", seconds=120)
            assert (known().namespace, known().name, known().workload) == ("bank", "app", "ledger")
        finally:
            agent.kill()


def listed(command: str, collector: str, *options: str) -> Any:
    """The JSON that a command prints; None where there is nothing of that name."""
    arguments = (str(GOSONDE), command, "--json", "--collector", collector, *options)
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def pids(collector: str, *options: str) -> list[int]:
    return [row["pid"] for row in listed("processes", collector, *options) or ()]


@pytest.mark.minutes
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("ebpf")
def test_a_finding_names_the_pod_whose_container_leaks(containerd: Containerd, tmp_path: Path) -> None:
    labels = {"statefulset.kubernetes.io/pod-name": "ledger-0"}
    id_, pid = containerd.run("ledger-0", "bank", "app", labels, ("/leak", "50"))
    (tmp_path / "agent.toml").write_text(f'cri = "unix:{containerd.socket}"\nallow = ["namespace:bank"]\n')
    with ExitStack() as stack:
        collector = stack.enter_context(CollectorProcess(tmp_path)).address
        agent = AgentProcess(tmp_path, collector, "/leak")
        stack.callback(agent.kill)
        eventually(lambda: bool(listed("findings", collector, "--namespace", "bank", "--pod", "ledger-0")), seconds=300)
        (finding,) = listed("findings", collector, "--workload", "ledger")
        assert (finding["process"]["pid"], finding["site"]["function"]) == (pid, "main.leak")
        known = finding["container"]
        assert (known["id"], known["namespace"], known["pod"]) == (id_, "bank", "ledger-0")
        assert (known["name"], known["workload"]) == ("app", "ledger")
        command = (GOSONDE, "findings", "--collector", collector)
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "pod bank/ledger-0, container app, workload ledger" in text
