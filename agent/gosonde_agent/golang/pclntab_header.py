"""Where a binary's pclntab is, and the moduledata that points to it (runtime/symtab.go: pcHeader, moduledata)."""

from dataclasses import dataclass

from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.model.errors import MalformedBinaryError, UnsupportedBinaryError

#: pcHeader.magic of Go 1.2 to 1.15, which names the program's age in a refusal.
OLD_MAGIC = 0xFFFFFFFB
QUANTUM = {"amd64": 1, "arm64": 4}
HEADER_SIZE = 72
#: Parts whose offsets are a header's last numbers.
PARTS = 5
MAX_FUNCTIONS = 4_000_000
#: Where the last part of a pclntab may begin. The largest programs have some 100 MB.
MAX_TABLE = 1 << 29
#: Where the bytes of a header may be by chance.
MAX_PLACES = 4_096
SECTION_NAMES = (".gopclntab", ".data.rel.ro.gopclntab")

#: runtime.moduledata, the same from Go 1.17 to 1.27.
MODULEDATA_FTAB = 128
MODULEDATA_TEXT = 176
MODULEDATA_ETEXT = 184


@dataclass(frozen=True, slots=True)
class Format:
    """What differs between the pclntabs of Go versions.

    Attributes:
        magic: pcHeader.magic.
        is_absolute: Functab, _func and funcdata hold addresses of 8 bytes, where later versions have offsets of 4; the
            header has no textStart.
        func_size: Size of a _func in bytes; 1.20 added startLine.
        inlined_call: Of inlinedCall: (size, and where funcID, the name's offset and parentPc are).
    """

    magic: int
    is_absolute: bool
    func_size: int
    inlined_call: tuple[int, int, int, int]

    @property
    def width(self) -> int:
        """Size of a number in functab, in bytes."""
        return 8 if self.is_absolute else 4


#: Of Go 1.20 and newer, of 1.18 and 1.19, and of 1.16 and 1.17.
FORMATS = (
    Format(0xFFFFFFF1, is_absolute=False, func_size=44, inlined_call=(16, 0, 4, 8)),
    Format(0xFFFFFFF0, is_absolute=False, func_size=40, inlined_call=(20, 2, 12, 16)),
    Format(0xFFFFFFFA, is_absolute=True, func_size=44, inlined_call=(20, 2, 12, 16)),
)


@dataclass(frozen=True, slots=True)
class Header:
    """A pcHeader.

    Attributes:
        vaddr: Where it is.
        available: Bytes from there to the end of the section or segment.
        found_by: How it was found: a section's name, or "scan".
        names, units, files, pctab, functab: Where its parts begin, in this order, as offsets from `vaddr`.
    """

    vaddr: int
    available: int
    format: Format
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

    `gofunc` is None where it is not known: inlined calls then count as their caller's. 0 where funcdata is absolute.
    """

    vaddr: int
    text: int
    etext: int
    gofunc: int | None


def find_pclntab(image: ElfImage, gofunc_offset: int | None) -> tuple[Header, Module]:
    """The pclntab's header and the moduledata that points to it; see `find_header` and `find_module`."""
    header = find_header(image)
    return header, find_module(image, header, gofunc_offset)


def find_header(image: ElfImage) -> Header:
    """The pclntab's header: by section, else by scanning the loaded segments.

    Raises:
        UnsupportedBinaryError: There is none that is understood (Go older than 1.16, packed, or not Go).
    """
    for name in SECTION_NAMES:
        section = image.sections.get(name)
        if section is not None and section.size >= HEADER_SIZE:
            header = _header_at(image, section.vaddr, section.size, name)
            if header is not None:
                return header
    # All begin alike but for their first byte, so one search finds any of them.
    places = [
        at - 1 for at in image.find_all(_pattern(image, OLD_MAGIC)[1:], alignment=1, limit=MAX_PLACES) if at % 8 == 1
    ]
    for vaddr in places:
        header = _header_at(image, vaddr, None, "scan")
        if header is not None:
            return header
    if any(_is_old(image, vaddr) for vaddr in places):
        raise UnsupportedBinaryError("its pclntab is that of a Go older than 1.16: rebuild it with a newer Go")
    raise UnsupportedBinaryError(
        "it has no pclntab: the program is packed (unpack it first), or obfuscated, or was damaged"
    )


def _pattern(image: ElfImage, magic: int) -> bytes:
    return magic.to_bytes(4, "little") + bytes((0, 0, QUANTUM[image.architecture], 8))


def _is_old(image: ElfImage, vaddr: int) -> bool:
    try:
        return image.read(vaddr, 8) == _pattern(image, OLD_MAGIC)
    except MalformedBinaryError:
        return False


def _header_at(image: ElfImage, vaddr: int, size: int | None, found_by: str) -> Header | None:
    try:
        segment = image.segment_at(vaddr)
        rest = segment.vaddr + segment.file_size - vaddr
        available = rest if size is None else min(size, rest)
        data = image.read(vaddr, HEADER_SIZE)
    except MalformedBinaryError:
        return None
    magic = int.from_bytes(data[:4], "little")
    form = next((form for form in FORMATS if form.magic == magic), None)
    if form is None or data[:8] != _pattern(image, magic):
        return None
    count, _files, *words = (int.from_bytes(data[i : i + 8], "little") for i in range(8, HEADER_SIZE, 8))
    offsets = words[:PARTS] if form.is_absolute else words[-PARTS:]
    is_ordered = offsets == sorted(offsets) and offsets[0] >= HEADER_SIZE - 8 * form.is_absolute
    is_bounded = 0 < count < MAX_FUNCTIONS and offsets[-1] < MAX_TABLE
    if not (is_bounded and is_ordered and offsets[-1] + (2 * count + 1) * form.width <= available):
        return None
    return Header(vaddr, available, form, found_by, count, *offsets)


def find_module(image: ElfImage, header: Header, gofunc_offset: int | None) -> Module:
    """The moduledata: an aligned pointer to the header whose ftab is the header's functab.

    From Go 1.18 to 1.25 the header has the text address as well, in textStart; from 1.26 that field is 0.

    Raises:
        UnsupportedBinaryError: There is none.
        MalformedBinaryError: It contradicts the header.
    """
    text_start = 0 if header.format.is_absolute else image.pointer(header.vaddr + 24)
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
        gofunc = None if gofunc_offset is None else image.pointer(vaddr + gofunc_offset)
    except MalformedBinaryError:
        return None
    is_ours = functab == header.vaddr + header.functab and count == header.function_count + 1
    return Module(vaddr, text, end, 0 if header.format.is_absolute else gofunc) if is_ours and text < end else None
