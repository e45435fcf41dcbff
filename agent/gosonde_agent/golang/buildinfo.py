"""The Go version and the build id that the linker left in a binary."""

import hashlib
import re
from dataclasses import dataclass

from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.packed import packed_by
from gosonde_agent.model.errors import MalformedBinaryError, NotGoError, UnsupportedBinaryError

#: debug/buildinfo: the blob is aligned to 16 bytes.
MAGIC = b"\xff Go buildinf:"
ALIGNMENT = 16
INLINE_STRINGS = 2
#: Up to Go 1.17 the blob has pointers, from 1.18 their room is empty and the text follows.
FIRST_POINTER, POINTERS_END = 16, 32
MAX_VERSION = 256
BLOB_LIMIT = 4_096
NOTE_LIMIT = 65_536
MAX_DIGESTED = 64 << 20
MAX_DIGESTED_SEGMENTS = 4
#: l_info.l_magic, behind the program headers.
VERSION = re.compile(r"^(?:devel )?go1\.(\d+)(?:\.(\d+))?")
#: In "go1.25.5 X:greenteagc" and "go1.27.3-X:nogreenteagc".
EXPERIMENTS = "X:"

NT_GO_BUILD_ID = (b"Go\0\0", 4)
NT_GNU_BUILD_ID = (b"GNU\0", 3)


@dataclass(frozen=True, slots=True, order=True)
class GoVersion:
    """A Go release: 1.`minor`.`patch`."""

    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"go1.{self.minor}.{self.patch}" if self.patch else f"go1.{self.minor}"


def parse_version(text: str) -> GoVersion:
    """The release that a version string such as "go1.24.11 X:nocoverageredesign" names.

    Raises:
        UnsupportedBinaryError: It names none.
    """
    match = VERSION.match(text)
    if match is None:
        raise UnsupportedBinaryError(
            f"a Go binary whose version is not known: it says {text[:80]!r}, which is not of the form go1.N or "
            "go1.N.P; obfuscators (garble) remove the version"
        )
    return GoVersion(int(match[1]), int(match[2] or 0))


def has_experiments(text: str) -> bool:
    """Whether a version string names experiments that the program was built with, or without (GOEXPERIMENT)."""
    return EXPERIMENTS in text


def read_version_string(image: ElfImage) -> str:
    """runtime.Version() of the program, from its build info blob (debug/buildinfo).

    Raises:
        NotGoError: There is no such blob.
        MalformedBinaryError: The blob is cut off.
    """
    section = image.sections.get(".go.buildinfo")
    if section is not None:
        vaddr, blob = section.vaddr, image.section_bytes(section, BLOB_LIMIT)
    elif image.sections:
        vaddr, blob = 0, b""
    else:
        places = image.find_all(MAGIC, alignment=ALIGNMENT, limit=1, only_writable=True)
        vaddr, blob = (places[0], image.read_to_segment_end(places[0], BLOB_LIMIT)) if places else (0, b"")
    if not blob.startswith(MAGIC):
        if packer := packed_by(image):
            raise UnsupportedBinaryError(f"packed with {packer}, so it cannot be read: unpack it (upx -d)")
        raise NotGoError("not a Go binary: it has no Go build info")
    if len(blob) < POINTERS_END:
        raise MalformedBinaryError("the Go build info is cut off")
    if not blob[15] & INLINE_STRINGS:
        return _pointed_to(image, image.pointer(vaddr + FIRST_POINTER))
    length, position = _uvarint(blob, POINTERS_END)
    if length > MAX_VERSION or position + length > len(blob):
        raise MalformedBinaryError(f"the Go version in the build info claims to be {length} bytes long")
    return blob[position : position + length].decode("utf-8", "replace")


def _pointed_to(image: ElfImage, header: int) -> str:
    """The text of a string's header in memory, which is how Go up to 1.17 leaves its version."""
    length = int.from_bytes(image.read(header + 8, 8), "little")
    if length > MAX_VERSION:
        raise MalformedBinaryError(f"the Go version that the build info points to claims to be {length} bytes long")
    return image.read(image.pointer(header), length).decode("utf-8", "replace")


def _uvarint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise MalformedBinaryError("a variable-length number in the Go build info does not end")


def read_build_id(image: ElfImage) -> str:
    """The Go build id, else the GNU build id in hex, else a digest of the build info and the ELF headers."""
    found: dict[tuple[bytes, int], bytes] = {}
    for segment in image.notes:
        data = image.read(segment.vaddr, min(segment.file_size, NOTE_LIMIT))
        position = 0
        while position + 16 <= len(data):
            name_size, size, kind = (int.from_bytes(data[position + i : position + i + 4], "little") for i in (0, 4, 8))
            body = position + 12 + (name_size + 3) // 4 * 4
            if body + size > len(data):
                break
            found.setdefault((data[position + 12 : position + 16], kind), data[body : body + size])
            position = body + (size + 3) // 4 * 4
    if go := found.get(NT_GO_BUILD_ID):
        return go.decode("utf-8", "replace")
    if gnu := found.get(NT_GNU_BUILD_ID):
        return gnu.hex()
    return "sha256:" + content_digest(image)


def content_digest(image: ElfImage) -> str:
    """SHA-256 over the executable segments, 64 MiB of each: what distinguishes two builds without a build id."""
    digest = hashlib.sha256()
    for segment in [segment for segment in image.segments if segment.executable][:MAX_DIGESTED_SEGMENTS]:
        digest.update(segment.file_size.to_bytes(8, "little"))
        size = min(segment.file_size, MAX_DIGESTED)
        for start in range(0, size, 1 << 20):
            digest.update(image.read(segment.vaddr + start, min(1 << 20, size - start)))
    return digest.hexdigest()
