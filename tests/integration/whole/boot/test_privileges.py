"""What the services of a booted system may do: read from /proc, and from the filters that the kernel has of them."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from gosonde_agent.host import privileges

from tests import debian_root, seccomp_filters
from tests.booted_system import BootedSystem
from tests.integration.whole.boot.services import AGENT, COLLECTOR, helper

pytestmark = [
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(bool(debian_root.missing()), reason=debian_root.missing()),
    pytest.mark.timeout(900),
]

RESOLVE = """
import ctypes, sys
resolve = ctypes.CDLL("libseccomp.so.2").seccomp_syscall_resolve_name
print(*(resolve(name.encode()) for name in sys.argv[1:]))
"""


def test_every_thread_has_the_capabilities_of_its_unit_and_no_others(system: BootedSystem) -> None:
    for unit in (AGENT, COLLECTOR, helper(system)):
        for line, mask in expected(system, unit).items():
            assert {int(found, 16) for found in lines(system, unit, rf"{line}:\t(\w+)")} == {mask}, (unit, line)
        assert lines(system, unit, r"NoNewPrivs:\t(\d)") == {"1"}


def expected(system: BootedSystem, unit: str) -> dict[str, int]:
    """What /proc must say: the unit's. The helper itself gives up the one that no kernel from 6.10 on asks for."""
    stated = system.property(unit, "CapabilityBoundingSet").upper().split()
    assert stated == system.property(unit, "AmbientCapabilities").upper().split()
    most = sum(1 << privileges.KEPT[name][0] for name in stated)
    admin = 0 if privileges.uprobes_need_admin() else 1 << privileges.KEPT["CAP_SYS_ADMIN"][0]
    return {"CapEff": most & ~admin, "CapPrm": most & ~admin, "CapBnd": most, "CapInh": 0, "CapAmb": 0}


def test_every_service_runs_as_its_own_user(system: BootedSystem) -> None:
    for unit in (AGENT, COLLECTOR, helper(system)):
        user = system.run("id", "-u", unit.split("@")[0].removesuffix(".service")).strip()
        assert user != "0"
        assert lines(system, unit, r"Uid:\t(.*)") == {"\t".join([user] * 4)}


def lines(system: BootedSystem, unit: str, pattern: str) -> set[str]:
    """What a pattern finds in the status of all threads of a unit."""
    pid = system.property(unit, "MainPID")
    status = system.run("sh", "-c", f"cat /proc/{pid}/task/*/status", check=False)  # a thread may end meanwhile
    return set(re.findall(f"^{pattern}$", status, re.MULTILINE))


def test_every_thread_may_make_the_system_calls_of_its_unit_alone(system: BootedSystem) -> None:
    for unit in (AGENT, COLLECTOR, helper(system)):
        stated = numbers(system, system.property(unit, "SystemCallFilter").split())
        for filters in filters_of_threads(system.host_pid(system.property(unit, "MainPID"))):
            # One filter is the unit's list, no more and no less. The others may refuse more.
            assert stated in [seccomp_filters.allowed([program]) for program in filters], unit
            allowed = seccomp_filters.allowed(filters)
            assert seccomp_filters.number_of("read") in allowed
            assert seccomp_filters.number_of("mount") not in allowed
            assert allowed <= stated, (unit, allowed - stated)
            assert seccomp_filters.allowed(filters, seccomp_filters.I386) == set(), unit


def numbers(system: BootedSystem, names: Sequence[str]) -> set[int]:
    """Those of system calls, by the library that the system itself has: another one may not know all names."""
    said = system.run("/usr/bin/python3", "-c", RESOLVE, *names)
    return {number for number in map(int, said.split()) if number >= 0}


def filters_of_threads(main: int) -> set[tuple[seccomp_filters.Program, ...]]:
    """Those of all threads of a process, but for such as end meanwhile: most threads have the same."""
    found: set[tuple[seccomp_filters.Program, ...]] = set()
    for thread in Path(f"/proc/{main}/task").iterdir():
        with suppress(ProcessLookupError):
            found.add(tuple(tuple(program) for program in seccomp_filters.filters_of(int(thread.name))))
    assert found
    return found
