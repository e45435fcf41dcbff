"""For which releases of Debian packages are built, and which packages."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEBIAN = ROOT / "deploy" / "debian"


@dataclass(frozen=True)
class Release:
    """A release of Debian.

    Attributes:
        name: As it stands in versions of packages, for example "deb12".
        python: Version of its python3, for example "3.11".
        glibc: Second part of the version of its libc.
    """

    name: str
    python: str
    glibc: int

    @property
    def lock(self) -> Path:
        """The Python packages that go into the packages, with versions and digests."""
        return DEBIAN / f"{self.name}.txt"

    @property
    def next_python(self) -> str:
        """The version of Python for which compiled modules of this release are of no use."""
        major, minor = self.python.split(".")
        return f"{major}.{int(minor) + 1}"

    @property
    def for_pip(self) -> list[str]:
        """Flags with which pip takes wheels of this release, whatever it runs on itself."""
        platforms = (f"--platform=manylinux_2_{minor}_x86_64" for minor in range(self.glibc, 4, -1))
        return [*platforms, "--platform=manylinux2014_x86_64", f"--python-version={self.python}", "--only-binary=:all:"]


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


RELEASES = (Release("deb12", "3.11", 36), Release("deb13", "3.13", 41))
PACKAGES = (
    Package(
        name="gosonde-agent",
        service="agent",
        units=("gosonde-helper.socket", "gosonde-agent.service"),
        further_units=("gosonde-helper@.service",),
        extras="agent",
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
        extras="agent,collector",
        users=("gosonde-collector",),
        groups=(),
        priority=60,
    ),
)
