"""GoBinary: all that is known of one executable file, worked out once and shared by every process that runs it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gosonde.errors import GosondeError

from gosonde_agent.errors import MalformedBinaryError, UnprovedProbePointError
from gosonde_agent.golang import buildinfo
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.instructions import Instruction, decode
from gosonde_agent.golang.layouts import Layout, layout_of
from gosonde_agent.golang.pclntab import Function, Location, Pclntab
from gosonde_agent.golang.probe_points import ProbePoint, entry_point, last_call_point
from gosonde_agent.kernel import kernel_version

#: Probes without which a binary is not watched at all.
ESSENTIAL = ("created", "exited")
OPTIMIZED_NOP_SINCE = (6, 18)

NOWHERE = Location("", "", 0)

_AX = frozenset({"rax"})
_CX = frozenset({"rcx"})


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """A file's content, as far as the file system can tell: device, inode, size in bytes, mtime and ctime in ns."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, fd: int) -> "FileIdentity":
        """The identity of an open file."""
        status = os.fstat(fd)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class GoBinary:
    """A Go executable that can be watched.

    Attributes:
        points: Proved probe points by probe name: created, exited, parked, stopped, started, mark_termination.
        unproved: Why a probe has no point, by probe name.
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

    def go_statement(self, pc: int) -> Location:
        """Where the `go` statement is whose call of runtime.newproc returns to the link-time address `pc`.

        All fields are empty when the address lies outside Go code, or when its description is damaged.
        """
        try:
            frames = self.pclntab.frames_of(pc - 1)
            return frames[0] if frames else self.pclntab.location_of(pc - 1) or NOWHERE
        except MalformedBinaryError:
            return NOWHERE

    def function_name(self, pc: int) -> str:
        """The function whose code holds a link-time address; empty when none does."""
        try:
            function = self.pclntab.function_of(pc)
        except MalformedBinaryError:
            return ""
        return function.name if function is not None else ""


def load(fd: int, path: str) -> GoBinary:
    """Works out everything about an open executable; `path` is for people to read.

    Raises:
        NotGoError: It is no Go binary.
        UnsupportedBinaryError: It is one that is not supported; the message says why.
        MalformedBinaryError: It contradicts itself.
        UnprovedProbePointError: No safe place for an essential probe is proved.
    """
    image = ElfImage(fd)
    go_version = buildinfo.read_version_string(image)
    version = buildinfo.parse_version(go_version)
    layout = layout_of(version, image.architecture)
    pclntab = Pclntab(image, layout)
    points, unproved = _points(image, pclntab, layout)
    for probe in ESSENTIAL:
        if probe in unproved:
            raise UnprovedProbePointError(f"no safe place for the probe {probe!r}: {unproved[probe]}")
    return GoBinary(
        identity=FileIdentity.of(fd),
        path=path,
        go_version=go_version,
        version=version,
        build_id=buildinfo.read_build_id(image),
        architecture=image.architecture,
        layout=layout,
        pclntab=pclntab,
        points=points,
        unproved=unproved,
        file_offsets={probe: image.file_offset(point.vaddr) for probe, point in points.items()},
    )


def _points(image: ElfImage, pclntab: Pclntab, layout: Layout) -> tuple[dict[str, ProbePoint], dict[str, str]]:
    finder = _Finder(image, pclntab)
    stop_registers = _AX if layout.has_stop_reason else frozenset[str]()
    searches: dict[str, Callable[[str], ProbePoint]] = {
        "created": lambda probe: finder.entry(probe, "runtime.newproc1", _AX | _CX),
        "exited": lambda probe: finder.entry(probe, layout.exit_function, _AX),
        "parked": lambda probe: finder.entry(probe, "runtime.gopark", _CX),
        "stopped": lambda probe: finder.entry(probe, "runtime.stopTheWorldWithSema", stop_registers),
        "started": lambda probe: finder.last_call(probe, "runtime.startTheWorldWithSema", "runtime.wakep"),
        "mark_termination": lambda probe: finder.entry(probe, "runtime.gcMarkTermination", frozenset()),
    }
    points: dict[str, ProbePoint] = {}
    unproved: dict[str, str] = {}
    for probe, search in searches.items():
        try:
            points[probe] = search(probe)
        except GosondeError as error:
            unproved[probe] = str(error)
    return points, unproved


class _Finder:
    """Looks up functions and proves points in them."""

    def __init__(self, image: ElfImage, pclntab: Pclntab) -> None:
        self._image = image
        self._pclntab = pclntab
        self._has_optimized_nop = kernel_version() >= OPTIMIZED_NOP_SINCE

    def _function(self, name: str) -> tuple[Function, list[Instruction]]:
        function = self._pclntab.find(name)
        if function is None:
            raise UnprovedProbePointError(f"the binary has no function {name}, or several: is it obfuscated?")
        size = function.end - function.entry
        if not 0 < size <= 1 << 20:
            raise MalformedBinaryError(f"{name} claims {size} bytes of code")
        code = self._image.read(function.entry, size)
        return function, decode(code, function.entry, self._image.architecture)

    def _name_of(self, address: int) -> str | None:
        function = self._pclntab.function_of(address)
        return function.name if function is not None and function.entry == address else None

    def entry(self, probe: str, name: str, registers: frozenset[str]) -> ProbePoint:
        _function, instructions = self._function(name)
        return entry_point(
            probe, name, instructions, registers, self._name_of, has_optimized_nop=self._has_optimized_nop
        )

    def last_call(self, probe: str, name: str, callee_name: str) -> ProbePoint:
        _function, instructions = self._function(name)
        callee = self._pclntab.find(callee_name)
        if callee is None:
            raise UnprovedProbePointError(f"the binary has no function {callee_name}, or several")
        return last_call_point(probe, name, instructions, callee.entry, callee_name)
