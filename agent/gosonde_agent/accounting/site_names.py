"""The names of sites, worked out once for each file: its processes share them, those to come too."""

from gosonde_common.values.observation import Site

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.sources.counters import UNATTRIBUTED

#: Of one file. A program can invent start functions without end; then its names are worked out again.
MAX_NAMES = 65_536
#: No address of user space is as high.
MAX_ADDRESS = 1 << 63


class SiteNames:
    """By the number of a file's probes, and the link-time addresses of a `go` statement and of what it starts."""

    def __init__(self) -> None:
        self._by_file: dict[int, dict[tuple[int, int | None], Site]] = {}

    def of(self, number: int, binary: GoBinary, pc: int, start_pc: int | None) -> Site:
        """The site whose `go` statement returns to `pc`; both addresses are link-time ones."""
        names = self._by_file.setdefault(number, {})
        site = names.get((pc, start_pc))
        if site is None:
            if len(names) >= MAX_NAMES:
                names.clear()
            site = names[pc, start_pc] = _worked_out(binary, pc, start_pc)
        return site

    def keep(self, numbers: set[int]) -> None:
        """Forgets every file but these."""
        self._by_file = {number: names for number, names in self._by_file.items() if number in numbers}


def nowhere(binary: GoBinary) -> Site:
    """What stands for all addresses at which no `go` statement can be."""
    return Site(binary.build_id, UNATTRIBUTED, "", "", 0)


def is_inside(binary: GoBinary, pc: int, *, is_sure: bool) -> bool:
    """Whether a `go` statement can return to a link-time address; `is_sure`: that it is one, and no runtime address."""
    return 0 < pc < MAX_ADDRESS and (not is_sure or binary.has_code(pc - 1))


def _worked_out(binary: GoBinary, pc: int, start_pc: int | None) -> Site:
    start_function = binary.start_function(start_pc) if start_pc is not None else ""
    location = binary.go_statement(pc)
    return Site(binary.build_id, pc, location.function, location.file, location.line, start_function)
