"""The helper keeps what it needs to attach, and nothing else; the agent nothing."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde_agent.helper import CHANNELS
from gosonde_agent.host.privileges import KEPT

from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram
from tests.paths import ROOT

SECURITY = ROOT / "docs" / "security.md"


def test_every_capability_that_is_kept_is_documented_with_its_reason() -> None:
    rows = dict(re.findall(r"^\| `(CAP_\w+)` \| (.*) \|$", SECURITY.read_text(), re.MULTILINE))
    assert rows.keys() == KEPT.keys()
    assert all(reason in rows[name] for name, (_, reason) in KEPT.items())


@pytest.mark.usefixtures("ebpf")
def test_the_helper_has_only_these_and_the_agent_attaches_with_them(
    tmp_path: Path, go_program: Callable[..., GoProgram]
) -> None:
    (tmp_path / "agent.toml").write_text("interval_seconds = 0.1\n")
    program = go_program("churn")
    executable = str(Path(f"/proc/{program.pid}/exe").readlink())
    agent = AgentProcess(tmp_path, "127.0.0.1:1", executable, compiles=True)
    try:
        eventually(lambda: agent.counted(program.pid) >= 0)
        program.ask("run 100")
        eventually(lambda: agent.counted(program.pid) == 100)
        allowed = sum(1 << number for number, _ in KEPT.values())
        children = Path(f"/proc/{agent.process.pid}/task/{agent.process.pid}/children").read_text().split()
        tasks = [task for child in children for task in Path(f"/proc/{child}/task").iterdir()]
        seen = 0
        for task in tasks:
            try:
                status = (task / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # that thread has ended
            seen += 1
            for line in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
                mask = int(re.findall(rf"^{line}:\s+([0-9a-f]+)$", status, re.MULTILINE)[0], 16)
                assert mask & ~allowed == 0, (task.name, line)
            assert "NoNewPrivs:\t1" in status
        assert seen == CHANNELS + 1
    finally:
        agent.kill()
    with GoProgram(Path(executable)) as later:
        agent = AgentProcess(tmp_path, "127.0.0.1:1", executable)
        try:
            eventually(lambda: agent.counted(later.pid) >= 0)
            later.ask("run 7")
            eventually(lambda: agent.counted(later.pid) == 7)
        finally:
            agent.kill()


#: Makes a map, says whether another process would need CAP_BPF for it, drops everything and looks what is left.
TRIAL = """
import sys
from gosonde_agent.host import bpf, privileges
made = bpf.create_map("trial", (2, 4, 8, 1, 0))
needed = privileges.maps_need_bpf(made)
privileges.drop_all(keep_bpf=sys.argv[1] == "keep")
(left,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")]
print(needed, left, bpf.map_shape(made))
"""


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize(("said", "left"), [("drop", 0), ("keep", 1 << KEPT["CAP_BPF"][0])])
def test_the_agent_keeps_cap_bpf_alone_and_only_where_maps_need_it(said: str, left: int) -> None:
    """The same map can be used afterwards: this kernel asks for no capability."""
    done = subprocess.run([sys.executable, "-c", TRIAL, said], capture_output=True, text=True, check=True)
    needed, effective, shape = done.stdout.split(maxsplit=2)
    assert (needed, int(effective, 16), shape.strip()) == ("False", left, "(2, 4, 8, 1, 0)")
