"""Where fields lie in the runtime's structures, as the binary's own DWARF says, where it carries any."""

import contextlib
import io
import itertools
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo

from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.model.errors import MalformedBinaryError, UnsupportedBinaryError

MAX_SECTION = 128 << 20
MAX_ABBREVIATIONS = 4 << 20
MAX_UNITS = 1 << 16
MAX_CANDIDATES = 64
MAX_MEMBERS = 4_096
MAX_NESTING = 8
#: Constants that begin alike.
MAX_CONSTANTS = 256
#: No structure of the runtime that is read is larger, but for mheap, of which a few words are read. Of the others that
#: are named here thousands are read at once.
MAX_SIZE = 1 << 15
MAX_SIZES = {"mheap": 1 << 20, "g": 1 << 11, "mspan": 1 << 10, "special": 1 << 8, "sudog": 1 << 10}
SECTIONS = (".debug_info", ".debug_abbrev", ".debug_str", ".debug_line_str", ".debug_str_offsets", ".debug_addr")
ELFCOMPRESS_ZLIB = 1
#: In a layout: the size of the structure.
SIZE = "__size"

Fields = Mapping[str, int]


def read_structures(image: ElfImage, names: Iterable[str]) -> dict[str, Fields]:
    """Offsets in bytes by field, for the structures of package runtime that the DWARF has, by name.

    Fields of a structure in a structure are named with dots ("sched.sp"); "__size" is the size.

    Raises:
        UnsupportedBinaryError: The binary carries no DWARF, or in a form that is not understood.
        MalformedBinaryError: It contradicts itself, or claims to need more than 128 MiB.
    """
    dwarf, info = opened(image)
    with released(dwarf), damage():
        found = {name: _structure(dwarf, info, f"runtime.{name}") for name in names}
    return {name: fields for name, fields in found.items() if fields}


def read_constants(image: ElfImage, prefix: str) -> dict[str, int]:
    """Numbers of package runtime's constants whose names begin with a prefix, by what follows it.

    Raises:
        UnsupportedBinaryError: The binary carries no DWARF, or in a form that is not understood.
        MalformedBinaryError: It contradicts itself, or claims to need more than 128 MiB.
    """
    dwarf, info = opened(image)
    begin = f"runtime.{prefix}".encode()
    found = {}
    with released(dwarf), damage():
        for match in itertools.islice(re.finditer(re.escape(begin) + rb"(\w+)\0", info), MAX_CONSTANTS):
            entry = _entry(dwarf, match.start(), match[0], "DW_TAG_constant")
            if entry is not None:
                found[match[1].decode()] = _number(entry, "DW_AT_const_value")
    return found


def opened(image: ElfImage) -> tuple[DWARFInfo, bytes]:
    """The DWARF of a binary, and its section .debug_info.

    Raises:
        UnsupportedBinaryError: The binary carries no DWARF, or in a form that is not understood.
        MalformedBinaryError: It contradicts itself, or claims to need more than 128 MiB.
    """
    sections = {name: data for name in SECTIONS if (data := _section(image, name))}
    if ".debug_info" not in sections or ".debug_abbrev" not in sections:
        raise UnsupportedBinaryError("the program carries no DWARF")
    if len(sections[".debug_abbrev"]) > MAX_ABBREVIATIONS:
        raise MalformedBinaryError(f"the DWARF has {len(sections['.debug_abbrev'])} bytes of abbreviations")
    _check_units(sections[".debug_info"])
    with damage():
        dwarf = DWARFInfo(config=DwarfConfig(True, image.architecture, 8), **_descriptors(sections))
    return dwarf, sections[".debug_info"]


def release(dwarf: DWARFInfo) -> None:
    """Frees the sections: entries refer to each other, and would keep them until the interpreter looks for such."""
    for value in vars(dwarf).values():
        if isinstance(value, DebugSectionDescriptor):
            value.stream.close()


@contextlib.contextmanager
def released(dwarf: DWARFInfo) -> Iterator[None]:
    """Frees the sections at its end."""
    try:
        yield
    finally:
        release(dwarf)


@contextlib.contextmanager
def damage() -> Iterator[None]:
    """Whatever pyelftools raises within it becomes a MalformedBinaryError: damaged input can lead it to anything."""
    try:
        yield
    except MalformedBinaryError:
        raise
    except Exception as error:
        raise MalformedBinaryError(f"the DWARF is malformed: {type(error).__name__}: {error}") from error


def _section(image: ElfImage, name: str) -> bytes:
    """The decompressed content of a section; empty when there is none."""
    section = image.sections.get(name)
    if section is None:
        old = image.sections.get(name.replace(".debug_", ".zdebug_"))
        return b"" if old is None else _inflate(image.section_bytes(old, MAX_SECTION), 12)
    data = image.section_bytes(section, MAX_SECTION)
    if not section.is_compressed:
        return data
    if int.from_bytes(data[:4], "little") != ELFCOMPRESS_ZLIB:
        raise UnsupportedBinaryError(f"the section {name} is compressed in a way that is not supported")
    return _inflate(data, 24)


def _inflate(data: bytes, header: int) -> bytes:
    engine = zlib.decompressobj()
    try:
        content = engine.decompress(data[header:], MAX_SECTION)
    except zlib.error as error:
        raise MalformedBinaryError(f"a section of the DWARF is damaged: {error}") from error
    if not engine.eof:
        raise MalformedBinaryError(f"a section of the DWARF is cut off, or larger than {MAX_SECTION} bytes")
    return content


def _check_units(info: bytes) -> None:
    """The library believes the lengths of units; so they are checked first."""
    position = 0
    for _ in range(MAX_UNITS):
        if position >= len(info):
            return
        length = int.from_bytes(info[position : position + 4], "little")
        if not 7 <= length <= len(info) - position - 4:
            raise MalformedBinaryError(f"the DWARF unit at {position} claims {length} bytes")
        position += 4 + length
    raise MalformedBinaryError(f"the DWARF has more than {MAX_UNITS} units")


def _descriptors(sections: Mapping[str, bytes]) -> dict[str, Any]:
    """Every argument of DWARFInfo, None for a section that is not there or not needed."""
    parameters = DWARFInfo.__init__.__code__.co_varnames[2 : DWARFInfo.__init__.__code__.co_argcount]
    descriptors: dict[str, Any] = dict.fromkeys(parameters)
    for name, data in sections.items():
        key = f"{name.removeprefix('.')}_sec"
        descriptors[key] = DebugSectionDescriptor(io.BytesIO(data), name, 0, len(data), 0)
    return descriptors


def _structure(dwarf: DWARFInfo, info: bytes, name: str) -> dict[str, int]:
    """The fields of a structure; empty when it is not there. Go keeps the names of types in .debug_info itself."""
    needle = name.encode() + b"\0"
    position = info.find(needle)
    for _ in range(MAX_CANDIDATES):
        if position < 0:
            return {}
        entry = _entry(dwarf, position, needle, "DW_TAG_structure_type")
        if entry is not None and "DW_AT_byte_size" in entry.attributes:
            fields: dict[str, int] = {SIZE: _number(entry, "DW_AT_byte_size")}
            _collect(entry, "", 0, 0, fields)
            limit = MAX_SIZES.get(name.removeprefix("runtime."), MAX_SIZE)
            if max(fields.values()) > min(fields[SIZE], limit):
                raise MalformedBinaryError(f"{name} has fields outside of it, or more than {limit} bytes")
            return fields
        position = info.find(needle, position + 1)
    return {}


def _entry(dwarf: DWARFInfo, name_at: int, needle: bytes, tag: str) -> Any:  # noqa: ANN401  # pyelftools ships no types
    """The description with a tag that begins just before its name, whose code is a byte or two; None if none does."""
    entries = (_entry_at(dwarf, name_at - code_size) for code_size in (1, 2))
    return next((found for found in entries if found is not None and _is_named(found, tag, needle[:-1])), None)


def _entry_at(dwarf: DWARFInfo, offset: int) -> Any:  # noqa: ANN401
    if offset < 0:
        return None
    try:
        return dwarf.get_DIE_from_refaddr(offset)
    except Exception:  # these bytes are no entry
        return None


def _is_named(entry: Any, tag: str, name: bytes) -> bool:  # noqa: ANN401
    return entry.tag == tag and "DW_AT_name" in entry.attributes and entry.attributes["DW_AT_name"].value == name


def _number(entry: Any, attribute: str) -> int:  # noqa: ANN401
    value = entry.attributes[attribute].value
    if isinstance(value, int) and value >= 0:
        return value
    raise MalformedBinaryError(f"{attribute} is not a number")


def _collect(entry: Any, prefix: str, base: int, depth: int, fields: dict[str, int]) -> None:  # noqa: ANN401
    for member in entry.iter_children():
        if member.tag != "DW_TAG_member" or member.has_children or len(fields) > MAX_MEMBERS:
            raise MalformedBinaryError(f"a structure has more than {MAX_MEMBERS} fields, or something else than fields")
        name = prefix + member.attributes["DW_AT_name"].value.decode("utf-8", "replace")
        offset = base + _number(member, "DW_AT_data_member_location")
        fields[name] = offset
        inner = _resolve(member)
        if inner is not None and depth < MAX_NESTING:
            _collect(inner, f"{name}.", offset, depth + 1, fields)


def _resolve(member: Any) -> Any:  # noqa: ANN401
    """The structure that a field consists of; None when it is none."""
    kind = member.get_DIE_from_attribute("DW_AT_type")
    for _ in range(MAX_NESTING):
        if kind.tag == "DW_TAG_structure_type":
            return kind
        if kind.tag != "DW_TAG_typedef":
            return None
        kind = kind.get_DIE_from_attribute("DW_AT_type")
    return None
