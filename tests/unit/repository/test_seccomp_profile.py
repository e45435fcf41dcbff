"""The seccomp profile of the agent's container allows what the helper's unit allows."""

import json
import shutil
import subprocess

import pytest

from scripts import write_seccomp

#: Which calls are in systemd's sets depends on its version; the profile was written with Debian 12's.
VERSION = "systemd 252 "


def version() -> str:
    if not shutil.which("systemd-analyze"):
        return "no systemd"
    command = ("systemd-analyze", "--version")
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.skipif(not version().startswith(VERSION), reason=f"compared with the sets of {VERSION.strip()}")
def test_the_profile_is_what_the_script_writes_from_the_helpers_unit() -> None:
    assert write_seccomp.PROFILE.read_text() == write_seccomp.profile()


def test_the_profile_allows_what_counting_takes_and_no_mount_and_no_module() -> None:
    document = json.loads(write_seccomp.PROFILE.read_text())
    assert document["defaultAction"] == "SCMP_ACT_ERRNO"
    # The runtime then takes the processor that it runs on, and no other.
    assert "architectures" not in document
    (rule,) = document["syscalls"]
    assert rule["action"] == "SCMP_ACT_ALLOW"
    assert {"bpf", "perf_event_open", "ptrace", "process_vm_readv"} <= set(rule["names"])
    assert not {"mount", "init_module", "reboot", "kexec_load"} & set(rule["names"])
