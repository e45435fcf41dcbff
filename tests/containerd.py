"""A containerd of the test's own, with pods as the kubelet makes them, from an image that is made here."""

import hashlib
import importlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import grpc
from grpc_tools import protoc

from tests import go_programs, real_binaries
from tests.paths import ROOT

PROTO = ROOT / "tests" / "fixtures" / "cri"
IMAGE = "localhost/programs:1"
#: In the image, beside `pause`.
PROGRAMS = ("churn", "leak", "sites")
#: Of runtime.v1.NamespaceMode: no network of its own, which would need plugins, and its own pids.
NODE, CONTAINER = 2, 1
CONFIG = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
"""
SECONDS = 120


class Containerd:
    """Runs until `close`."""

    def __init__(self, folder: Path) -> None:
        """`folder` is empty, and its path short: sockets lie in it."""
        self.socket = folder / "containerd.sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._messages = _messages(folder)
        self._pods: dict[str, str] = {}
        config = folder / "config.toml"
        config.write_text(CONFIG.format(folder=folder, image=IMAGE))
        self.start()
        archive = folder / "image.tar"
        write_image(archive)
        self._ctr("--namespace=k8s.io", "images", "import", archive)

    def start(self) -> None:
        """Starts the daemon, and waits until it answers."""
        binaries = real_binaries.containerd()
        # Its shim and runc are found there.
        path = f"{binaries / 'bin'}:{binaries / 'sbin'}:{os.environ['PATH']}"
        command = (binaries / "bin/containerd", "--config", self._folder / "config.toml")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PATH": path})
        until = time.monotonic() + SECONDS
        while subprocess.run(self._command("version"), check=False, capture_output=True).returncode:
            assert time.monotonic() < until, (self._folder / "log").read_text()[-2000:]
            time.sleep(0.2)

    def stop(self) -> None:
        """Stops the daemon; containers go on."""
        assert self._process
        self._process.terminate()
        self._process.wait(timeout=SECONDS)

    @property
    def is_running(self) -> bool:
        """Whether the daemon runs."""
        return self._process is not None and self._process.poll() is None

    def run(
        self, pod: str, namespace: str, container: str, labels: Mapping[str, str], command: Sequence[str] = ("/churn",)
    ) -> tuple[str, int]:
        """(id, pid on the host) of a container that runs one of PROGRAMS in a pod of its own."""
        m, uid = self._messages, str(uuid.uuid4())
        options = m.NamespaceOption(network=NODE, pid=CONTAINER, ipc=CONTAINER)
        config = m.PodSandboxConfig(
            metadata=m.PodSandboxMetadata(name=pod, uid=uid, namespace=namespace),
            log_directory=str(self._folder / "logs"),
            labels=labels,
            linux=m.LinuxPodSandboxConfig(
                cgroup_parent=f"/kubepods/burstable/pod{uid}",
                security_context=m.LinuxSandboxSecurityContext(namespace_options=options),
            ),
        )
        sandbox = self._call("RunPodSandbox", m.RunPodSandboxRequest(config=config), m.RunPodSandboxResponse)
        self._pods[sandbox.pod_sandbox_id] = uid
        made = m.ContainerConfig(
            metadata=m.ContainerMetadata(name=container),
            image=m.ImageSpec(image=IMAGE),
            command=command,
            stdin=True,  # which stays open: the program waits for commands
            linux=m.LinuxContainerConfig(security_context=m.LinuxContainerSecurityContext(namespace_options=options)),
        )
        question = m.CreateContainerRequest(pod_sandbox_id=sandbox.pod_sandbox_id, config=made, sandbox_config=config)
        created = self._call("CreateContainer", question, m.ContainerRequest)
        self._call("StartContainer", created, m.Nothing)
        return created.container_id, self._pid(created.container_id)

    def run_once(self, root: Path, program: str, capabilities: Sequence[str]) -> str:
        """What a program in a folder prints that runs with these capabilities and the default seccomp profile."""
        added = [flag for name in capabilities for flag in ("--cap-add", f"CAP_{name}")]
        return self._ctr("run", "--rm", "--seccomp", *added, "--rootfs", root, f"once-{uuid.uuid4()}", program)

    def close(self) -> None:
        """Removes all pods, and stops."""
        for pod, uid in self._pods.items():
            for method in ("StopPodSandbox", "RemovePodSandbox"):
                self._call(method, self._messages.PodRequest(pod_sandbox_id=pod), self._messages.Nothing)
            for above in ("", "*/"):  # a tree for all controllers, or one for each
                for group in Path("/sys/fs/cgroup").glob(f"{above}kubepods/burstable/pod{uid}"):
                    group.rmdir()
        self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pid(self, container_id: str) -> int:
        for line in self._ctr("--namespace=k8s.io", "tasks", "list").splitlines()[1:]:
            name, pid, *_ = line.split()
            if name == container_id:
                return int(pid)
        raise AssertionError(f"{container_id} does not run")

    def _call(self, method: str, question: Any, answer: Any) -> Any:
        with grpc.insecure_channel(f"unix:{self.socket}", (("grpc.default_authority", "localhost"),)) as channel:
            call = channel.unary_unary(
                f"/runtime.v1.RuntimeService/{method}",
                request_serializer=type(question).SerializeToString,
                response_deserializer=answer.FromString,
            )
            return call(question, timeout=SECONDS)

    def _command(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        return (real_binaries.containerd() / "bin/ctr", "--address", self.socket, *arguments)

    def _ctr(self, *arguments: str | Path) -> str:
        done = subprocess.run(self._command(*arguments), check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


def _messages(folder: Path) -> Any:
    """The module that protoc makes of what tests need of the interface."""
    made = folder / "python"
    made.mkdir()
    assert protoc.main(["protoc", f"-I{PROTO}", f"--python_out={made}", "runtime.proto"]) == 0
    with _importable(made):
        return importlib.import_module("runtime_pb2")


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _pause(folder: Path) -> Path:
    """What holds a pod's namespaces: a program that waits, as Kubernetes's own, which is in no Debian package."""
    source = folder / "pause.c"
    source.write_text("#include <unistd.h>\nint main(void) { for (;;) pause(); }\n")
    subprocess.run(("gcc", "-static", "-O1", "-o", folder / "pause", source), check=True)
    return folder / "pause"


def write_image(archive: Path) -> None:
    """An image as `docker save` writes it: one layer with some programs, of which it runs `pause` by itself."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        files.add(_pause(archive.parent), "pause")
        for program in PROGRAMS:
            files.add(go_programs.build(program, env={"CGO_ENABLED": "0"}), program)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }  # fmt: skip
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    parts = {
        "layer.tar": layer.getvalue(),
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    with tarfile.open(archive, "w") as files:
        for name, content in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            files.addfile(info, io.BytesIO(content))
