"""Who may not look into a process hears which setting or privilege it is, and nothing that would not help."""

import pytest
from gosonde_agent.host.why_refused import CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, reason

PTRACE, BOTH = 1 << CAP_SYS_PTRACE, 1 << CAP_SYS_PTRACE | 1 << CAP_DAC_READ_SEARCH


def status(user: int, capabilities: int = 0) -> str:
    """What /proc/PID/status has of a process."""
    return f"Name:\tx\nUid:\t{user}\t{user}\t{user}\t{user}\nCapEff:\t{capabilities:016x}\n"


@pytest.mark.parametrize(
    ("own", "other", "scope", "said"),
    [
        (status(1000), status(1000), "0", "it is protected even from its own user"),
        (status(1000), status(1000), "", "it is protected even from its own user"),
        (status(1000), status(1000), "1", "kernel.yama.ptrace_scope is 1: run as root, or set it to 0"),
        (status(1000), status(1000), "2", "kernel.yama.ptrace_scope is 2: run as root, or with CAP_SYS_PTRACE"),
        (status(1000), status(33), "1", "it is a process of user 33: run as that user, or as root"),
        (status(0, BOTH), status(33), "3", "kernel.yama.ptrace_scope is 3, which forbids it to everyone"),
        (status(1000, PTRACE), status(33), "", "it is a process of user 33, and CAP_DAC_READ_SEARCH is missing"),
        (status(0, BOTH), status(0), "1", "this process has the capabilities, so a security module"),
        (status(0, PTRACE), status(0), "", "this process has the capabilities, so a security module"),
        (status(0), status(33), "", "it is a process of user 33"),
    ],
)
def test_the_reason_names_what_it_is(own: str, other: str, scope: str, said: str) -> None:
    assert reason(own, other, scope).startswith(said)


@pytest.mark.parametrize("scope", ["", "0", "1", "2", "3"])
def test_root_with_all_capabilities_is_never_advised_to_be_root(scope: str) -> None:
    assert "run as root" not in reason(status(0, (1 << 41) - 1), status(0), scope)


def test_a_process_that_ended_meanwhile_is_no_trouble() -> None:
    assert reason(status(1000), "", "").startswith("it is a process of user ?")


def test_a_process_of_another_user_namespace_is_told_from_one_that_a_security_module_hides() -> None:
    said = reason(status(0, BOTH), status(0), "", is_elsewhere=True)
    assert said.startswith("it is in another user namespace")
    assert "user namespace" not in reason(status(0, BOTH), status(0), "")
