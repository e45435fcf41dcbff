"""What `gosonde doctor` says as root, and as users that have less."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GOSONDE = str(Path(sys.executable).parent / "gosonde")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
FOUR = ("bpf", "perfmon", "sys_ptrace", "dac_read_search")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up a part of its capabilities")


def doctor(*prefix: str) -> tuple[int, dict[str, Any]]:
    """(exit code, document) of `gosonde doctor --json`."""
    done = subprocess.run((*prefix, GOSONDE, "doctor", "--json"), capture_output=True, text=True, check=False)
    document: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, document


def limited_to(*capabilities: str) -> tuple[str, ...]:
    """What makes a command run with these capabilities and no other; still as root, who can read the checkout."""
    return (
        "setpriv",
        "--inh-caps=-all",
        f"--bounding-set={','.join(('-all', *(f'+{name}' for name in capabilities)))}",
    )


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["status"] for check in document["checks"]}


@pytest.mark.usefixtures("ebpf")
def test_root_has_everything() -> None:
    code, document = doctor()
    assert code == 0
    assert document["ready"] is True
    assert document["level"] == "full"
    assert "missing" not in statuses(document).values()


@as_root
def test_a_user_without_privileges_is_told_which_are_missing_and_how_to_get_them() -> None:
    code, document = doctor(*limited_to())
    assert code == 3
    assert document["ready"] is False
    capabilities = next(check for check in document["checks"] if check["name"] == "capabilities")
    for name in ("CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"):
        assert name in capabilities["found"]
        assert name in capabilities["remedy"]
    for name in ("bpf", "ring_buffer", "uprobes", "tracepoints"):
        assert statuses(document)[name] == "missing", name
    assert statuses(document)["process_memory"] == "degraded"
    assert document["level"] == "memory"


@as_root
@pytest.mark.usefixtures("ebpf")
def test_the_capabilities_of_the_unit_are_enough() -> None:
    code, _ = doctor(*limited_to(*FOUR, "sys_admin"))
    assert code == 0


@as_root
@pytest.mark.usefixtures("ebpf")
def test_without_sys_admin_only_uprobes_can_be_missing_and_the_remedy_names_it() -> None:
    code, document = doctor(*limited_to(*FOUR))
    missing = [check for check in document["checks"] if check["status"] == "missing"]
    assert (code, [check["name"] for check in missing]) in ((0, []), (3, ["uprobes"]))
    assert all("CAP_SYS_ADMIN" in check["remedy"] for check in missing)


@as_root
@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize(("lacking", "memory"), [("sys_ptrace", "degraded"), ("dac_read_search", "ok")])
def test_one_capability_that_lacks_is_seen(lacking: str, memory: str) -> None:
    code, document = doctor(*limited_to(*(name for name in (*FOUR, "sys_admin") if name != lacking)))
    assert code == 3
    assert statuses(document)["capabilities"] == "missing"
    assert statuses(document)["process_memory"] == memory


def test_without_bcc_the_remedy_names_the_distributions_package() -> None:
    # An isolated environment: .venv's libraries, but not the system's, where bcc is.
    own = Path(sys.prefix, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    code = f"import site; site.addsitedir({str(own)!r}); from gosonde_cli.cli import main; main()"
    command = (Path(sys.base_prefix, "bin", "python3"), "-ISc", code, "doctor", "--json")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    bcc = next(check for check in json.loads(done.stdout)["checks"] if check["name"] == "bcc")
    assert done.returncode == 3
    assert bcc["status"] == "missing"
    assert "python3-bpfcc" in bcc["remedy"]


@as_root
def test_nobody_is_told_the_same() -> None:
    if subprocess.run((*NOBODY, "test", "-r", GOSONDE), check=False).returncode:
        pytest.skip("the checkout lies in a folder that only root may enter")
    code, document = doctor(*NOBODY)
    assert code == 3
    assert statuses(document) == statuses(doctor(*limited_to())[1])


@as_root
def test_the_table_says_the_same_to_a_reader() -> None:
    done = subprocess.run((*limited_to(), GOSONDE, "doctor"), capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "sudo" in done.stdout
    assert "The agent can work here by readings of memory alone" in " ".join(done.stdout.split())


#: A filter of system calls as containers have them: ptrace(2) answers EPERM.
NO_PTRACE = """
import ctypes, os, struct, sys
filters = struct.pack("HBBIHBBIHBBIHBBI", 0x20, 0, 0, 0, 0x15, 0, 1, 101, 0x06, 0, 0, 0x50001, 0x06, 0, 0, 0x7FFF0000)
kept = ctypes.create_string_buffer(filters)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(kept)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def source(document: dict[str, Any], name: str) -> dict[str, Any]:
    """What a document says of one source."""
    found: dict[str, Any] = next(one for one in document["sources"] if one["source"] == name)
    return found


def test_the_sources_are_all_that_a_trace_can_be_asked_for_and_one_says_its_danger() -> None:
    _, document = doctor(*limited_to())
    names = ["ebpf", "perf-breakpoints", "perf-uprobes", "memory", "ptrace"]
    assert [one["source"] for one in document["sources"]] == names
    assert source(document, "ptrace")["possible"] is True
    assert [one["source"] for one in document["sources"] if one["danger"]] == ["ptrace"]


def test_where_a_filter_of_system_calls_refuses_ptrace_it_says_so() -> None:
    _, document = doctor(sys.executable, "-c", NO_PTRACE)
    found = source(document, "ptrace")
    assert found["possible"] is False
    assert "may not be traced" in found["because"]
