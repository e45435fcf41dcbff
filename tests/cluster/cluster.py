"""A cluster of one node, on which everything is Kubernetes' own: it is installed to with helm and kubectl."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests import containerd, kubernetes_tools, real_binaries
from tests.booted_system import cgroups, eventually
from tests.cluster import credentials, services
from tests.cluster.room import NODE, Room

START_SECONDS = 600.0
PROGRAMS = ("unshare", "nsenter", "ip", "iptables", "mount", "openssl", "gcc")


def missing() -> str:
    """What this host lacks to start one; empty when nothing."""
    if os.geteuid() != 0:
        return "only root can start a cluster"
    if not cgroups("cgroup") or not cgroups("cgroup2"):
        return "Kubernetes 1.20 needs control groups of version 1, and the test itself those of version 2"
    return ", ".join(f"not installed: {name}" for name in PROGRAMS if not shutil.which(name))


class Cluster:
    """Is ready for pods from the start of the block to its end.

    Attributes:
        room: What the node's programs run in.
        authority: The certificate of the authority of all servers.

    Args:
        folder: An empty folder with a short path, on a disk.
        archives: Images that the node has, beside those of PROGRAMS in tests/containerd.py.
    """

    def __init__(self, folder: Path, archives: Iterable[Path] = ()) -> None:
        self.room = Room(folder)
        self.authority = folder / "ca.pem"
        self._folder = folder
        self._archives = archives
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        credentials.write(self._folder)
        services.write_configurations(self._folder, containerd.IMAGE)
        with ExitStack() as undo:
            undo.enter_context(self.room)
            for name, command in services.services(self._folder):
                self.room.start(name, *command, environment=services.environment())
                if name in services.AWAITED:
                    self._await(name)
            eventually(self._is_ready, f"{NODE} is ready", START_SECONDS)
            self._stack = undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error:
            error.add_note(self.kubectl("get", "pods,events", "--all-namespaces", "--output=wide", check=False))
            error.add_note((self._folder / "kubelet.log").read_text()[-3000:])
        self._stack.close()

    def kubectl(self, *arguments: str | Path, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl prints."""
        return self._tool("kubectl", *arguments, stdin=stdin, check=check)

    def helm(self, *arguments: str | Path) -> str:
        """What helm prints."""
        return self._tool("helm", *arguments)

    def apply(self, *documents: Mapping[str, Any]) -> None:
        """Makes objects, or changes them."""
        self.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(documents))

    def get(self, *arguments: str) -> Any:
        """Objects, as the API server describes them."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def ctr(self, *arguments: str | Path) -> str:
        """What containerd's own tool prints about the containers of pods."""
        done = self.room.run(*self._ctr(*arguments))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _tool(self, name: str, *arguments: str | Path, stdin: str | None = None, check: bool = True) -> str:
        own = ("env", f"KUBECONFIG={self._folder}/admin.conf", f"HOME={self._folder}", kubernetes_tools.tool(name))
        done = self.room.run(*own, *arguments, stdin=stdin)
        assert done.returncode == 0 or not check, f"{name} {arguments}: {done.stderr}"
        return done.stdout

    def _await(self, name: str) -> None:
        if name == "containerd":
            eventually(lambda: self.room.run(*self._ctr("version")).returncode == 0, f"{name} answers", START_SECONDS)
            programs = self._folder / "programs.tar"
            containerd.write_image(programs)
            for archive in (programs, *self._archives):
                self.ctr("images", "import", archive)
        else:
            asked = ("get", "--raw=/readyz")
            eventually(lambda: self.kubectl(*asked, check=False) == "ok", f"{name} is ready", START_SECONDS)

    def _is_ready(self) -> bool:
        if not self.kubectl("get", "node", NODE, "--output=name", check=False):
            return False
        conditions = self.get("node", NODE)["status"]["conditions"]
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _ctr(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        own = real_binaries.containerd() / "bin/ctr"
        return (own, "--address", services.CONTAINERD, "--namespace=k8s.io", *arguments)
