"""The probes' source, and what compiled probes depend on, as keys."""

import hashlib
import importlib.util
import os
import platform
from pathlib import Path

import gosonde_agent

SOURCES = (
    "gosonde.h",
    "common.bpf.c",
    "shares.bpf.c",
    "lifecycle.bpf.c",
    "goroutines.bpf.c",
    "samples.bpf.c",
    "world.bpf.c",
    "park.bpf.c",
    "timeline.bpf.c",
)
#: Elements of the map `counting`: one for each file whose probes may come and go, and one that is always on.
COUNTING_SLOTS = 65_536
SIZES = {
    "MAX_SITES": 131_072,
    "MAX_IMAGES": 32_768,
    "MAX_PARKS": 16_384,
    "EVENT_PAGES": 1_024,
    "MAX_TIMELINES": 8,
    "TIMELINE_PAGES": 512,
    "COUNTING_SLOTS": COUNTING_SLOTS,
}
#: Of what is kept of a compilation. What was kept in another form is not used.
FORM = 2


def probe_dir() -> Path:
    """Where the eBPF sources are: beside the installed package, or in the repository of an editable install."""
    installed = Path(gosonde_agent.__file__).parent / "probes"
    return installed if installed.is_dir() else Path(gosonde_agent.__file__).parents[2] / "probes"


def source() -> str:
    """The whole eBPF program: bcc rewrites map accesses only in the file that it is given."""
    directory = probe_dir()
    types = "#include <linux/types.h>\n"
    return types + "\n".join(f'#line 1 "{name}"\n{(directory / name).read_text()}' for name in SOURCES)


def flags() -> list[str]:
    """The compiler's."""
    return [f"-D{name}={value}" for name, value in SIZES.items()]


def key_of_package(machine: str = platform.machine()) -> str:
    """What probes that a package brings must fit, as a hash: source, headers, sizes, processor and size of a page.

    The kernel is not among them, since the source uses none of its structures but the registers of the processor.

    Args:
        machine: The processor, as uname(2) calls it: this one, if a package is not built for another.
    """
    return _hash(*_fixed(machine))


def key_of_host() -> str:
    """What probes that were compiled here depend on, as a hash: the same, the kernel and bcc."""
    return _hash(*_fixed(platform.machine()), *os.uname()[2:], *_bcc_version())


def _fixed(machine: str) -> tuple[object, ...]:
    return FORM, machine, os.sysconf("SC_PAGESIZE"), source(), flags(), _headers()


def _hash(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def _bcc_version() -> tuple[str, int]:
    """The text of bcc's own file of its version, and that file's time: a package that was built again has another.

    bcc itself is not imported for this: it comes with the compiler.
    """
    found = importlib.util.find_spec("bcc")
    path = Path(found.origin).with_name("version.py") if found and found.origin else None
    return (path.read_text(), path.stat().st_mtime_ns) if path and path.is_file() else ("", 0)


def _headers() -> str:
    """The headers that are compiled with the source."""
    files = sorted(path for path in (probe_dir() / "kernel").rglob("*") if path.is_file())
    return "\n".join(f"{path.name}\n{path.read_text()}" for path in files)
