"""The goroutine that no `go` statement made is reported as the main goroutine, whether it is counted or read."""

import json
import subprocess

import pytest

from tests import toolchains
from tests.go_programs import GoProgram, build
from tests.paths import ROOT

GOSONDE = ROOT / ".venv" / "bin" / "gosonde"
VERSIONS = (toolchains.VERSIONS[0], toolchains.VERSIONS[3], toolchains.DEFAULT)


def document(*command: str) -> object:
    return json.loads(subprocess.run([GOSONDE, *command, "--json"], capture_output=True, check=True).stdout)


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ldflags", [(), ("-s", "-w")], ids=["whole", "stripped"])
def test_the_main_goroutine_has_its_name_and_no_statement(version: str, ldflags: tuple[str, ...]) -> None:
    with GoProgram(build("churn", version, ldflags=ldflags)) as program:
        read = document("goroutines", str(program.pid))
        traced = document("trace", "--pid", str(program.pid), "--duration", "2s")
    assert isinstance(read, list)
    (main,) = (goroutine for goroutine in read if goroutine["goid"] == 1)
    assert main["created_by"] == {"function": "main goroutine", "file": "", "line": 0}
    assert isinstance(traced, dict)
    functions = [site["function"] for site in traced["sites"]]
    assert functions.count("main goroutine") == 1
    assert "runtime.newproc" not in functions
