"""For which releases of Debian and which processors packages are built, and which packages."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEBIAN = ROOT / "deploy" / "debian"


@dataclass(frozen=True)
class Architecture:
    """A kind of processor, as each calls it.

    Attributes:
        name: Debian and Go, for example "arm64".
        machine: The kernel and wheels of Python, for example "aarch64".
        for_bcc: bcc, which compiles for it where its variable ARCH says so.
    """

    name: str
    machine: str
    for_bcc: str


@dataclass(frozen=True)
class Release:
    """A release of Debian, for one kind of processor.

    Attributes:
        name: As it stands in versions of packages, for example "deb12".
        suite: Debian's own name of it.
        python: Version of its python3, for example "3.11".
        glibc: Second part of the version of its libc.
        architecture: The processor's.
    """

    name: str
    suite: str
    python: str
    glibc: int
    architecture: Architecture

    @property
    def lock(self) -> Path:
        """The Python packages that go into the packages, with versions and digests, for all processors."""
        return DEBIAN / f"{self.name}.txt"

    @property
    def next_python(self) -> str:
        """The version of Python for which compiled modules of this release are of no use."""
        major, minor = self.python.split(".")
        return f"{major}.{int(minor) + 1}"

    @property
    def for_pip(self) -> list[str]:
        """Flags with which pip takes wheels of this release, whatever it runs on itself."""
        machine = self.architecture.machine
        platforms = (f"--platform=manylinux_2_{minor}_{machine}" for minor in range(self.glibc, 4, -1))
        return [
            *platforms, f"--platform=manylinux2014_{machine}", f"--python-version={self.python}", "--only-binary=:all:",
        ]  # fmt: skip


@dataclass(frozen=True)
class Package:
    """A package for one service.

    Attributes:
        name: For example "gosonde-agent".
        service: Subcommand of the service, for example "agent".
        units: Those to enable and to start first, in the order in which they start.
        further_units: Those that come with them.
        extras: Of the project, for the Python packages that it needs.
        users: Those that the package makes.
        groups: Those that it makes besides.
        priority: Whose command `gosonde` is, where both packages are installed: that of the higher.
    """

    name: str
    service: str
    units: tuple[str, ...]
    further_units: tuple[str, ...]
    extras: str
    users: tuple[str, ...]
    groups: tuple[str, ...]
    priority: int


AMD64, ARM64 = Architecture("amd64", "x86_64", "x86"), Architecture("arm64", "aarch64", "arm64")
ARCHITECTURES = {each.name: each for each in (AMD64, ARM64)}
RELEASES = (Release("deb12", "bookworm", "3.11", 36, AMD64), Release("deb13", "trixie", "3.13", 41, AMD64))
PACKAGES = (
    Package(
        name="gosonde-agent",
        service="agent",
        units=("gosonde-helper.socket", "gosonde-agent.service"),
        further_units=("gosonde-helper@.service",),
        extras="agent,otlp",
        users=("gosonde-agent", "gosonde-helper"),
        groups=("gosonde",),
        priority=50,
    ),
    # It has what the agent needs, too: all of `gosonde` works where it is installed.
    Package(
        name="gosonde-collector",
        service="collector",
        units=("gosonde-collector.service",),
        further_units=(),
        extras="agent,collector,otlp",
        users=("gosonde-collector",),
        groups=(),
        priority=60,
    ),
)
