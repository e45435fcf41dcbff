"""With the chart's capabilities a container runtime's own seccomp profile lets the agent load and open probes."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import kubernetes_tools
from tests.containerd import Containerd
from tests.kubernetes_tools import of_kind

pytestmark = [
    pytest.mark.minutes,
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make containers"),
]

#: Makes a map and opens an event of its own, and says of each whether it may.
PROGRAM = r"""
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say(const char *what, long result) { printf("%s: %s\n", what, result < 0 ? strerror(errno) : "allowed"); }

int main(void) {
  union bpf_attr map;
  memset(&map, 0, sizeof map);
  map.map_type = BPF_MAP_TYPE_ARRAY;
  map.key_size = map.value_size = 4;
  map.max_entries = 1;
  say("bpf", syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map));
  struct perf_event_attr event;
  memset(&event, 0, sizeof event);
  event.size = sizeof event;
  event.type = PERF_TYPE_SOFTWARE;
  event.config = PERF_COUNT_SW_CPU_CLOCK;
  say("perf_event_open", syscall(SYS_perf_event_open, &event, -1, 0, -1, 0));
}
"""


@pytest.fixture(scope="module")
def containerd() -> Iterator[Containerd]:
    # A path of its own: that of pytest's folders is too long for sockets.
    with tempfile.TemporaryDirectory(prefix="gosonde-cri.") as folder, Containerd(Path(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the program."""
    folder = tmp_path_factory.mktemp("root")
    command = ("gcc", "-static", "-x", "c", "-", "-o", folder / "ask")
    subprocess.run(command, check=True, input=PROGRAM, text=True)
    for name in ("proc", "sys", "dev"):
        (folder / name).mkdir()
    return folder


def test_the_charts_capabilities_are_enough_for_the_default_profile(containerd: Containerd, root: Path) -> None:
    objects = kubernetes_tools.objects(kubernetes_tools.rendered({}))
    (agent,) = of_kind(objects, "DaemonSet", "agent")["spec"]["template"]["spec"]["containers"]
    said = containerd.run_once(root, "/ask", agent["securityContext"]["capabilities"]["add"])
    assert said.split("\n")[:2] == ["bpf: allowed", "perf_event_open: allowed"]


def test_without_them_it_refuses_both(containerd: Containerd, root: Path) -> None:
    said = containerd.run_once(root, "/ask", ())
    assert said.split("\n")[:2] == ["bpf: Operation not permitted", "perf_event_open: Operation not permitted"]
