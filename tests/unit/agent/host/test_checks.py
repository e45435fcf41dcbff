"""What `gosonde doctor` finds, on hosts that are not this one."""

import platform
import subprocess

import pytest
from gosonde_agent.host import checks


def found(name: str) -> checks.Check:
    return next(check for check in (each() for each in checks.CHECKS if each.__name__.endswith(name)))


@pytest.mark.parametrize(("machine", "status"), [("x86_64", checks.Status.OK), ("aarch64", checks.Status.DEGRADED)])
def test_a_new_kernel_enters_probes_without_a_trap_on_x86_64_alone(
    monkeypatch: pytest.MonkeyPatch, machine: str, status: checks.Status
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(checks, "kernel_version", lambda: checks.NOP5_KERNEL)

    assert found("nop5").status is status


@pytest.mark.parametrize(
    ("machine", "status"),
    [("x86_64", checks.Status.OK), ("aarch64", checks.Status.OK), ("riscv64", checks.Status.MISSING)],
)
def test_the_agent_works_on_two_architectures(
    monkeypatch: pytest.MonkeyPatch, machine: str, status: checks.Status
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert found("architecture").status is status


def test_where_importing_bcc_takes_too_long_nobody_is_told_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hangs)

    bcc = found("bcc")
    assert bcc.status is checks.Status.MISSING
    assert "install" not in bcc.remedy
    assert "less busy" in bcc.remedy
