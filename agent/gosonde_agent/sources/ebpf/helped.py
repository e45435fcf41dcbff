"""Probes of a process without privileges: it has the maps, and its helper the programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gosonde_agent.host.helper_client import HelperClient
from gosonde_agent.sources.ebpf.loading import MAPS, PROGRAMS, RAW_TRACEPOINTS, Probes

#: The programs' numbers, for the helper: their places.
AT_UPROBES, AT_TRACEPOINTS = PROGRAMS, tuple(RAW_TRACEPOINTS)


@dataclass(frozen=True, slots=True)
class HelpedProbes(Probes):
    """Loaded probes of which the descriptors are those of maps alone; `helper` attaches the programs."""

    helper: HelperClient = field(kw_only=True)

    def open_uprobe(self, fd: int, file_offset: int, pid: int | None) -> int:
        """See HelperClient.open_uprobe."""
        return self.helper.open_uprobe(fd, file_offset, pid)

    def link(self, program: str, event_fd: int, cookie: int) -> int:
        """See Probes."""
        return self.helper.link(AT_UPROBES.index(program), event_fd, cookie)

    def link_uprobe(self, program: str, fd: int, file_offset: int, pid: int | None, cookie: int) -> int:
        """See Probes."""
        return self.helper.link_uprobe(AT_UPROBES.index(program), fd, file_offset, pid, cookie)

    def raw_tracepoint(self, program: str) -> int:
        """See Probes."""
        return self.helper.raw_tracepoint(AT_TRACEPOINTS.index(program))


def shared(probes: Probes) -> Mapping[str, int]:
    """What the helper hands over of the probes that it has loaded: the maps."""
    return {name: probes[name] for name in MAPS}
