"""Kernels before 5.15 are refused in one sentence, unless their distribution took back what the probes need."""

import os

import pytest
from gosonde_agent.host import bpf, checks, oldest_kernel
from gosonde_agent.model.errors import NotPermittedError, OldKernelError, ProbeError
from gosonde_agent.sources.ebpf.loading import load_probes


@pytest.fixture(params=[ProbeError("unknown func 174"), NotPermittedError("not permitted")])
def an_old_kernel(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    def refuse(*_: object) -> int:
        raise request.param

    monkeypatch.setattr(oldest_kernel, "kernel_version", lambda: (5, 10))
    monkeypatch.setattr(bpf, "load_program", refuse)


@pytest.mark.usefixtures("an_old_kernel")
def test_doctor_and_whoever_loads_the_probes_say_the_same() -> None:
    (kernel,) = [each() for each in checks.CHECKS if each.__name__ == "_kernel"]
    with pytest.raises(OldKernelError) as refused:
        load_probes()
    said = f"Linux {os.uname().release} is too old"
    assert (kernel.status, kernel.found) == (checks.Status.MISSING, said)
    assert str(refused.value) == f"{said} for the probes: {kernel.remedy}"


def test_an_old_version_that_takes_the_program_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oldest_kernel, "kernel_version", lambda: (5, 14))
    monkeypatch.setattr(bpf, "load_program", lambda *_: os.open("/dev/null", os.O_RDONLY))
    assert not oldest_kernel.is_too_old()


def test_a_kernel_that_is_new_enough_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oldest_kernel, "kernel_version", lambda: oldest_kernel.OLDEST_KERNEL)
    monkeypatch.delattr(bpf, "load_program")
    assert not oldest_kernel.is_too_old()
