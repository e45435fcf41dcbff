"""Which Go built a program: by its build info, else by what its runtime calls itself (runtime.buildVersion).

Build info is lost to linkers that collect garbage, and to those who remove it; the pclntab is not, for no program runs
without. So a binary is a Go binary when it has either.
"""

import re
from collections.abc import Iterator, Sequence

from gosonde_agent.golang import buildinfo
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.instructions import Instruction, decode
from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.pclntab_header import find_header
from gosonde_agent.model.errors import MalformedBinaryError, NotGoError, UnsupportedBinaryError

#: What no other linker names its sections.
GO_SECTIONS = (".gopclntab", ".data.rel.ro.gopclntab", ".gosymtab", ".go.module", ".note.go.buildid")
#: It compares runtime.buildVersion with "" in every version, so that linkers keep the variable.
READER = "runtime.schedinit"
UNKNOWN = "a Go binary whose version is not known: it has no Go build info, and "
#: Of a pclntab's tables that say which function is where, nothing depends on a version.
ANY_VERSION = Layout("any version", {}, {}, exit_function="", has_stop_reason=False, callerpc=0)

_X86_VARIABLE = re.compile(r"\[rip (?P<sign>[+-]) (?P<number>0x[0-9a-f]+|\d+)\]")
_ARM64_PAGE = re.compile(r"adrp (?P<register>x\d+), #(?P<page>0x[0-9a-f]+|\d+)$")
_ARM64_VARIABLE = re.compile(r"(?:ldr|str|add) .*\b(?P<register>x\d+)(?:, #(?P<number>0x[0-9a-f]+|\d+))?\]?$")


def read_go_version(image: ElfImage) -> str:
    """runtime.Version() of a program.

    Raises:
        NotGoError: It is no Go program.
        UnsupportedBinaryError: It is one, and does not say its version; or it is packed.
        MalformedBinaryError: It contradicts itself.
    """
    try:
        return buildinfo.read_version_string(image)
    except NotGoError:
        if not _is_go(image):
            raise
    pclntab = Pclntab(image, ANY_VERSION)
    function = pclntab.find(READER)
    if function is None:
        raise UnsupportedBinaryError(f"{UNKNOWN}no function {READER}: is it obfuscated?")
    code = image.read(function.entry, function.end - function.entry)
    instructions = decode(code, function.entry, image.architecture)
    for address in _touched(instructions, image.architecture):
        for header in (address, address - 8):
            if (text := _version_at(image, header)) is not None:
                return text
    raise UnsupportedBinaryError(f"{UNKNOWN}{READER} does not read its version")


def _is_go(image: ElfImage) -> bool:
    """Whether a file without build info has a pclntab.

    Raises:
        UnsupportedBinaryError: Its sections are a Go program's, but it has no pclntab that is understood.
    """
    try:
        find_header(image)
    except (UnsupportedBinaryError, MalformedBinaryError):
        if image.sections.keys() & set(GO_SECTIONS):
            raise
        return False
    return True


def _touched(instructions: Sequence[Instruction], architecture: str) -> Iterator[int]:
    """The variables that code names, in order; some of them several times."""
    pages: dict[str, int] = {}
    for instruction in instructions:
        if architecture == "amd64":
            if match := _X86_VARIABLE.search(instruction.text):
                yield instruction.end + int(match["number"], 0) * (1 if match["sign"] == "+" else -1)
        elif match := _ARM64_PAGE.match(instruction.text):
            pages[match["register"]] = int(match["page"], 0)
        elif (match := _ARM64_VARIABLE.match(instruction.text)) and match["register"] in pages:
            yield pages[match["register"]] + int(match["number"] or "0", 0)


def _version_at(image: ElfImage, header: int) -> str | None:
    """The text of a string variable, if it names a Go version."""
    try:
        size = int.from_bytes(image.read(header + 8, 8), "little")
        if not 0 < size <= buildinfo.MAX_VERSION:
            return None
        text = image.read(image.pointer(header), size).decode("utf-8", "replace")
    except MalformedBinaryError:
        return None
    return text if buildinfo.VERSION.match(text) and text.isprintable() else None
