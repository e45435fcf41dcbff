"""What systemd itself says of the units, users and folders."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.repository.test_systemd import HELPER, HELPER_SOCKET, SYSTEMD, UNITS, settings

FILES = ("gosonde-agent.conf", "gosonde-collector.conf")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with the units, the users, the folders and a command where the units look for it."""
    for source, target in (
        *((f"sysusers-{name}.conf", f"usr/lib/sysusers.d/gosonde-{name}.conf") for name in ("agent", "collector")),
        *((f"tmpfiles-{name}.conf", f"usr/lib/tmpfiles.d/gosonde-{name}.conf") for name in ("agent", "collector")),
        *((unit, f"usr/local/lib/systemd/system/{unit}") for unit in (*UNITS, HELPER, HELPER_SOCKET)),
    ):
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / target).write_text((SYSTEMD / source).read_text())
    for command in ("usr/local/bin/gosonde", "bin/sh"):
        (tmp_path / command).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / command).touch(mode=0o755)
    (tmp_path / "etc").mkdir()
    # Units that every system has and that ours name.
    for target in ("sysinit", "basic", "shutdown", "network-online", "multi-user"):
        (tmp_path / f"usr/local/lib/systemd/system/{target}.target").write_text("[Unit]\nDescription=x\n")
    return tmp_path


def verify(root: Path, unit: str) -> str:
    """Everything that systemd finds wrong with a unit; its exit code says nothing of unknown keys."""
    command = ("systemd-analyze", f"--root={root}", "--man=no", "verify", unit)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"exit code {done.returncode}")


@pytest.mark.parametrize("unit", [*UNITS, HELPER_SOCKET, HELPER.replace("@", "@1")])
def test_systemd_finds_nothing_wrong_with_a_unit(root: Path, unit: str) -> None:
    assert verify(root, unit) == ""


@pytest.mark.parametrize("unit", [*UNITS, HELPER])
def test_systemd_rates_the_exposure_of_a_unit_below_2(unit: str) -> None:
    command = ("systemd-analyze", "security", "--offline=true", "--threshold=19", SYSTEMD / unit)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-200:]
    assert re.search(r"exposure level for \S+: [01]\.\d ", done.stdout), done.stdout[-200:]


@pytest.mark.parametrize("line", ["Hardning=yes", "SystemCallFilter=@no-such-group", "ExecStartPost=/no/such/command"])
def test_a_unit_with_a_mistake_is_seen(root: Path, line: str) -> None:
    unit = root / "usr/local/lib/systemd/system" / UNITS[0]
    unit.write_text(unit.read_text().replace("Type=notify\n", f"Type=notify\n{line}\n"))
    assert verify(root, UNITS[0]) != ""


def users(root: Path) -> dict[str, list[str]]:
    """What systemd-sysusers makes, by user."""
    subprocess.run(("systemd-sysusers", f"--root={root}", *FILES), check=True, capture_output=True)
    return {line.split(":")[0]: line.split(":") for line in (root / "etc/passwd").read_text().splitlines()}


def test_the_users_and_the_group_of_the_units_are_made(root: Path) -> None:
    made = users(root)
    groups = {line.split(":")[0]: line.split(":") for line in (root / "etc/group").read_text().splitlines()}
    for unit in (*UNITS, HELPER):
        service = settings(unit)
        assert made[service["User"]][6].endswith("nologin")
        assert service["Group"] in groups
    assert "gosonde-agent" in groups["gosonde"][3].split(",")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders to other users")
def test_the_folders_of_the_units_are_made_for_their_users(root: Path) -> None:
    made = users(root)
    (root / "run").mkdir(exist_ok=True)
    command = ("systemd-tmpfiles", f"--root={root}", "--create", *FILES)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    for folder, user, mode in (
        ("run/gosonde", "gosonde-agent", 0o750),
        ("var/lib/gosonde-agent", "gosonde-agent", 0o700),
        ("var/lib/gosonde-collector", "gosonde-collector", 0o700),
    ):
        status = (root / folder).stat()
        assert status.st_uid == int(made[user][2])
        assert status.st_mode & 0o777 == mode
