"""Writes deploy/container/seccomp.json, the agent's seccomp profile: python scripts/write_seccomp.py.

It allows what SystemCallFilter= of the helper's unit allows, as the systemd of this host knows the sets in it.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROFILE = ROOT / "deploy/container/seccomp.json"
UNIT = ROOT / "systemd/gosonde-helper@.service"


def profile() -> str:
    """The profile, as JSON. It names no processor: the runtime then takes the one that it runs on, and no other.

    Raises:
        ValueError: The unit's first filter is no list of what is allowed.
        subprocess.CalledProcessError: systemd does not know a set of the unit, and said so.
    """
    first, *others = _filters()
    if first.startswith("~"):
        raise ValueError(f"{UNIT.name} names what it forbids and not what it allows: {first}")
    allowed = _calls(first)
    for each in others:
        calls = _calls(each.removeprefix("~"))
        allowed = allowed - calls if each.startswith("~") else allowed | calls
    rule = {"names": sorted(allowed), "action": "SCMP_ACT_ALLOW"}
    document = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "syscalls": [rule]}
    return json.dumps(document, indent=1) + "\n"


def _filters() -> list[str]:
    """The values of SystemCallFilter=, in their order; a parser of INI files would keep the last one alone."""
    lines = UNIT.read_text().splitlines()
    return [value for key, _, value in (line.partition("=") for line in lines) if key == "SystemCallFilter"]


def _calls(names: str) -> set[str]:
    """The system calls of a list of calls and sets."""
    found: set[str] = set()
    for name in names.split():
        found |= set(_members(name)) if name.startswith("@") else {name}
    return found


def _members(of: str) -> Iterator[str]:
    """The calls of a set and of the sets in it, as `systemd-analyze syscall-filter` prints them below its name."""
    command = ("systemd-analyze", "--no-pager", "syscall-filter", of)
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    for name in (line.strip() for line in lines[1:]):
        if name.startswith("@"):
            yield from _members(name)
        elif name and not name.startswith("#"):
            yield name


if __name__ == "__main__":
    PROFILE.write_text(profile())
