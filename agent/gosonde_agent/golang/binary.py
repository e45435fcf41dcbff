"""GoBinary: all that is known of one executable file, worked out once and shared by every process that runs it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gosonde_common.errors import GosondeError
from gosonde_common.values.goroutines import Location, statement

from gosonde_agent.golang import buildinfo
from gosonde_agent.golang.build_version import read_go_version
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.gopc_store import GopcStore
from gosonde_agent.golang.known import Facts, KnownBinaries, evidence_of
from gosonde_agent.golang.layouts import (
    SPECIAL_KIND,
    Fields,
    Layout,
    layout_of,
    proved,
    structure_names,
)
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.points import find_points, gopc_shown_by_code
from gosonde_agent.golang.probe_points import ProbePoint
from gosonde_agent.golang.refill import Refill
from gosonde_agent.golang.wrappers import start_function
from gosonde_agent.host import files
from gosonde_agent.model.errors import MalformedBinaryError

NOWHERE = Location("", "", 0)


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """A file's content, as far as the file system reports it: device, inode, size in bytes, mtime and ctime in ns."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, fd: int) -> "FileIdentity":
        """The identity of an open file.

        Raises:
            UnreadableFileError: Its file system does not report it.
        """
        return cls.from_status(files.status(fd))

    @classmethod
    def from_status(cls, status: files.FileStatus) -> "FileIdentity":
        """The identity of a file of which this is known."""
        return cls(status.device, status.inode, status.size, status.modified_ns, status.changed_ns)


@dataclass(frozen=True, slots=True)
class GoBinary:
    """A Go executable that can be watched.

    Attributes:
        points: Proved probe points by probe name: created, exited, parked, stopped, started,
            status_changed, mark_termination.
        unproved: Why a probe has no point, by probe name.
        file_offsets: Where in the file each probe belongs, also those of `refill` and `gopc_store`.
        gc_stop_callers, refill, gopc_store: See `points.Points`.
    """

    identity: FileIdentity
    path: str
    go_version: str
    version: buildinfo.GoVersion
    build_id: str
    architecture: str
    layout: Layout
    pclntab: Pclntab
    points: Mapping[str, ProbePoint]
    unproved: Mapping[str, str]
    file_offsets: Mapping[str, int]
    gc_stop_callers: tuple[int, int] | None
    refill: Refill | None
    gopc_store: GopcStore | None

    def go_statement(self, pc: int) -> Location:
        """Where the `go` statement is whose call of runtime.newproc returns to the link-time address `pc`.

        MAIN_GOROUTINE for the goroutine that has none. All fields are empty when the address lies outside Go code, or
        when its description is damaged.
        """
        try:
            frames = self.pclntab.frames_of(pc - 1)
            return statement(frames[0] if frames else self.pclntab.location_of(pc - 1) or NOWHERE)
        except MalformedBinaryError:
            return NOWHERE

    def has_code(self, pc: int) -> bool:
        """Whether a link-time address lies in Go code, however damaged its description is."""
        try:
            return self.pclntab.function_of(pc) is not None
        except MalformedBinaryError:
            return True

    def start_function(self, pc: int) -> str:
        """What a goroutine that starts at a link-time address runs first, wrappers left out; empty when unknown."""
        return start_function(self.pclntab, pc, self.layout.func_ids["wrapper"], self.architecture)


def load(fd: int, path: str, known: KnownBinaries | None = None) -> GoBinary:
    """Works out everything about an open executable; `path` is for people to read.

    Args:
        known: Builds that were seen before; this one is added.

    Raises:
        NotGoError: It is no Go binary.
        UnsupportedBinaryError: It is one that is not supported; the message says why.
        MalformedBinaryError: It contradicts itself.
        UnprovedProbePointError: No safe place for an essential probe is proved.
    """
    image = ElfImage(fd)
    go_version = read_go_version(image)
    version = buildinfo.parse_version(go_version)
    build_id = buildinfo.read_build_id(image)
    facts = known.get(image, build_id) if known is not None else None
    if facts is None:
        layout, pclntab = _layout_and_pclntab(image, go_version)
        found = find_points(image, pclntab, layout)
        evidence = evidence_of(image, pclntab.header, pclntab.module, found)
        facts = Facts(layout, pclntab.header, pclntab.module, found, evidence)
        if known is not None:
            known.add(image, build_id, facts)
    places = {probe: point.vaddr for probe, point in facts.found.points.items()}
    if facts.found.refill is not None:
        places["ids_taken"] = facts.found.refill.vaddr
    if facts.found.gopc_store is not None:
        places["gopc_stored"] = facts.found.gopc_store.vaddr
    return GoBinary(
        identity=FileIdentity.of(fd),
        path=path,
        go_version=go_version,
        version=version,
        build_id=build_id,
        architecture=image.architecture,
        layout=facts.layout,
        # Another one: what the proof looked at in that one need not be kept for as long as the file has probes.
        pclntab=Pclntab(image, facts.layout, (facts.header, facts.module)),
        points=facts.found.points,
        unproved=facts.found.unproved,
        file_offsets={probe: image.file_offset(vaddr) for probe, vaddr in places.items()},
        gc_stop_callers=facts.found.gc_stop_callers,
        refill=facts.found.refill,
        gopc_store=facts.found.gopc_store,
    )


def _layout_and_pclntab(image: ElfImage, go_version: str) -> tuple[Layout, Pclntab]:
    """The layout of a binary that names a version, proved by its code.

    Raises:
        UnsupportedBinaryError: The version is not supported, or the code contradicts it.
        MalformedBinaryError: The binary contradicts itself.
        UnprovedProbePointError: The code does not show where it keeps a goroutine's creation address.
    """
    layout = layout_named_by(image, go_version)
    pclntab = Pclntab(image, layout)
    return proved(layout, buildinfo.parse_version(go_version), gopc_shown_by_code(image, pclntab, layout)), pclntab


def layout_named_by(image: ElfImage, go_version: str) -> Layout:
    """The layout of a binary that names a version, not yet held against its code; see `layout_of`."""
    version, experimental = buildinfo.parse_version(go_version), buildinfo.has_experiments(go_version)
    layout = layout_of(version, image.architecture, lambda: _own_structures(image), experimental=experimental)
    is_told_by_dwarf = layout.source == "DWARF" and not layout.special_kinds
    return replace(layout, special_kinds=_own_special_kinds(image)) if is_told_by_dwarf else layout


def _own_structures(image: ElfImage) -> Mapping[str, Fields]:
    """What the binary's DWARF says of the runtime's structures; empty where it says nothing."""
    from gosonde_agent.golang.dwarf import read_structures  # noqa: PLC0415 - of versions that are not known

    try:
        return read_structures(image, structure_names())
    except GosondeError:
        return {}


def _own_special_kinds(image: ElfImage) -> Mapping[str, int]:
    from gosonde_agent.golang.dwarf import read_constants  # noqa: PLC0415

    try:
        return read_constants(image, SPECIAL_KIND)
    except GosondeError:
        return {}
