"""Where a binary's pclntab is, and the moduledata that points to it (runtime/symtab.go: pcHeader, moduledata)."""

from dataclasses import dataclass

from gosonde_agent.errors import MalformedBinaryError, UnsupportedBinaryError
from gosonde_agent.golang.elf import ElfImage

#: pcHeader.magic of Go 1.18 (0xfffffff0) and 1.20 (0xfffffff1), then two zeros, quantum and pointer size.
MAGIC_118 = 0xFFFFFFF0
MAGIC_120 = 0xFFFFFFF1
#: Those of Go 1.2 and 1.16, which name the program's age in a refusal.
OLD_MAGICS = (0xFFFFFFFB, 0xFFFFFFFA)
QUANTUM = {"amd64": 1, "arm64": 4}
HEADER_SIZE = 72
MAX_FUNCTIONS = 4_000_000
#: Where the last part of a pclntab may begin. The largest programs have some 100 MB.
MAX_TABLE = 1 << 29
SECTION_NAMES = (".gopclntab", ".data.rel.ro.gopclntab")

#: runtime.moduledata, the same from Go 1.18 to 1.27.
MODULEDATA_FTAB = 128
MODULEDATA_TEXT = 176
MODULEDATA_ETEXT = 184


@dataclass(frozen=True, slots=True)
class Header:
    """A pcHeader.

    Attributes:
        vaddr: Where it is.
        available: Bytes from there to the end of the section or segment.
        is_120: It is of Go 1.20 or newer.
        found_by: How it was found: a section's name, or "scan".
        names, units, files, pctab, functab: Where its parts begin, in this order, as offsets from `vaddr`.
    """

    vaddr: int
    available: int
    is_120: bool
    found_by: str
    function_count: int
    names: int
    units: int
    files: int
    pctab: int
    functab: int


@dataclass(frozen=True, slots=True)
class Module:
    """What runtime.firstmoduledata says: where it is, where code begins and ends, and what funcdata is relative to.

    `gofunc` is 0 where it is not known: inlined calls are not told apart then.
    """

    vaddr: int
    text: int
    etext: int
    gofunc: int


def find_pclntab(image: ElfImage, gofunc_offset: int | None) -> tuple[Header, Module]:
    """The pclntab's header and the moduledata that points to it; see `find_header` and `find_module`."""
    header = find_header(image)
    return header, find_module(image, header, gofunc_offset)


def find_header(image: ElfImage) -> Header:
    """The pclntab's header: by section, else by scanning the loaded segments.

    Raises:
        UnsupportedBinaryError: There is none that is understood (Go older than 1.18, packed, or not Go).
    """
    for name in SECTION_NAMES:
        section = image.sections.get(name)
        if section is not None and section.size >= HEADER_SIZE:
            header = _header_at(image, section.vaddr, section.size, name)
            if header is not None:
                return header
    for magic in (MAGIC_120, MAGIC_118):
        for vaddr in image.find_all(_pattern(image, magic), alignment=8):
            header = _header_at(image, vaddr, None, "scan")
            if header is not None:
                return header
    if any(image.find_all(_pattern(image, magic), alignment=8, limit=1) for magic in OLD_MAGICS):
        raise UnsupportedBinaryError("its pclntab is that of a Go older than 1.18: rebuild it with a newer Go")
    raise UnsupportedBinaryError(
        "it has no pclntab: the program is packed (unpack it first), or obfuscated, or was damaged"
    )


def _pattern(image: ElfImage, magic: int) -> bytes:
    return magic.to_bytes(4, "little") + bytes((0, 0, QUANTUM[image.architecture], 8))


def _header_at(image: ElfImage, vaddr: int, size: int | None, found_by: str) -> Header | None:
    try:
        segment = image.segment_at(vaddr)
        rest = segment.vaddr + segment.file_size - vaddr
        available = rest if size is None else min(size, rest)
        data = image.read(vaddr, HEADER_SIZE)
    except MalformedBinaryError:
        return None
    magic = int.from_bytes(data[:4], "little")
    if magic not in (MAGIC_118, MAGIC_120) or data[:8] != _pattern(image, magic):
        return None
    count, _files, _text, *offsets = (int.from_bytes(data[i : i + 8], "little") for i in range(8, HEADER_SIZE, 8))
    is_ordered = offsets == sorted(offsets) and offsets[0] >= HEADER_SIZE
    is_bounded = 0 < count < MAX_FUNCTIONS and offsets[-1] < MAX_TABLE
    if not (is_bounded and is_ordered and offsets[-1] + count * 8 + 4 <= available):
        return None
    return Header(vaddr, available, magic == MAGIC_120, found_by, count, *offsets)


def find_module(image: ElfImage, header: Header, gofunc_offset: int | None) -> Module:
    """The moduledata: an aligned pointer to the header whose ftab is the header's functab.

    Up to Go 1.25 the header has the text address as well, in textStart; from 1.26 that field is 0.

    Raises:
        UnsupportedBinaryError: There is none.
        MalformedBinaryError: It contradicts the header.
    """
    text_start = image.pointer(header.vaddr + 24)
    for candidate in image.pointers_to(header.vaddr):
        module = _module_at(image, header, candidate, gofunc_offset)
        if module is None:
            continue
        if text_start not in (0, module.text):
            raise MalformedBinaryError(
                f"its pclntab says that code begins at {text_start:#x}, its moduledata says {module.text:#x}"
            )
        image.segment_at(module.text)
        return module
    raise UnsupportedBinaryError(f"no moduledata points to its pclntab at {header.vaddr:#x}: is it obfuscated?")


def _module_at(image: ElfImage, header: Header, vaddr: int, gofunc_offset: int | None) -> Module | None:
    try:
        functab = image.pointer(vaddr + MODULEDATA_FTAB)
        count = int.from_bytes(image.read(vaddr + MODULEDATA_FTAB + 8, 8), "little")
        text = image.pointer(vaddr + MODULEDATA_TEXT)
        end = image.pointer(vaddr + MODULEDATA_ETEXT)
        gofunc = 0 if gofunc_offset is None else image.pointer(vaddr + gofunc_offset)
    except MalformedBinaryError:
        return None
    is_ours = functab == header.vaddr + header.functab and count == header.function_count + 1
    return Module(vaddr, text, end, gofunc) if is_ours and text < end else None
