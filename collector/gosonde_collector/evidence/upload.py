"""Takes a pushed file in piece by piece: inflates it, and refuses what is too large or something else at once."""

import zlib
from collections.abc import Callable

from gosonde_collector.evidence.cleaning import behind_hole
from gosonde_collector.model.errors import ProfileError, Refusal

#: The most bytes of a profile, as sent and after inflating.
MAX_BYTES = 64 << 20
#: Members of a gzip file; logs that are rotated and joined have some.
MAX_MEMBERS = 10_000
#: A gzip file is known by its magic, a profile.proto by the tag of one of its fields (1 to 15, each with its one wire
#: type; writers begin with different ones), anything else must be text.
GZIP_MAGIC = b"\x1f\x8b"
START_BYTES = 10
PROTO_START = tuple(
    bytes([field << 3 | wire])
    for wire, fields in ((2, (1, 2, 3, 4, 5, 6, 11)), (0, (7, 8, 9, 10, 12)))
    for field in fields
)
#: Text in UTF-16 begins with its byte order, or with every second byte 0.
UTF16_START = (b"\xff\xfe", b"\xfe\xff")
#: What people pack files with, beside gzip, by how it begins.
PACKED = {
    b"PK\x03\x04": "a zip archive",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"\xfd7zXZ": "compressed by xz",
    b"BZh91AY": "compressed by bzip2",
}


class Upload:
    """Collects one file. Feed it every piece, then finish it.

    Args:
        what: What it is, for errors.
        check: Raises ProfileError when the file's first bytes fit nothing that it may be; gets where they stand, too.
    """

    def __init__(self, what: str, check: Callable[[bytes, str], None], max_bytes: int = MAX_BYTES) -> None:
        self._what = what
        self._check = check
        self._max_bytes = max_bytes
        self._received = 0
        self._start = b""
        self._plain = bytearray()
        self._gunzip: zlib._Decompress | None = None
        self._members = 0

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece in.

        Raises:
            ProfileError: The file is something else, is damaged, or is too large as sent or after inflating.
        """
        self._received += len(chunk)
        if self._received > self._max_bytes:
            raise ProfileError(f"the {self._what} is larger than {self._max_bytes} bytes", Refusal.TOO_LARGE)
        if self._gunzip or self._plain:
            self._take(chunk)
            return
        self._start += chunk
        if len(self._start) >= START_BYTES:
            self._begin()

    def finish(self) -> bytes:
        """The whole file, inflated.

        Raises:
            ProfileError: The file is empty, something else, or ends within its gzip stream.
        """
        if not self._received:
            raise ProfileError(f"the {self._what} is empty", Refusal.EMPTY)
        if not (self._gunzip or self._plain):
            self._begin()
        if self._gunzip and not self._gunzip.eof:
            raise ProfileError(
                f"the {self._what} is cut off: its gzip stream does not end within {self._received} bytes",
                Refusal.TRUNCATED,
            )
        self._check(bytes(self._plain[:START_BYTES]), "inside the gzip stream" if self._gunzip else "")
        return bytes(self._plain)

    def _begin(self) -> None:
        if self._start.startswith(GZIP_MAGIC):
            self._gunzip = zlib.decompressobj(wbits=31)
        else:
            self._check(self._start[:START_BYTES], "")
        self._take(self._start)
        self._start = b""

    def _take(self, chunk: bytes) -> None:
        if not self._gunzip:
            self._plain += chunk
            return
        while chunk:
            if self._gunzip.eof:
                chunk = self._next_member(chunk)
                if not chunk:
                    return
            try:
                self._plain += self._gunzip.decompress(chunk, self._max_bytes + 1 - len(self._plain))
            except zlib.error as error:
                raise ProfileError(f"the gzip stream is damaged before byte {self._received}: {error}") from error
            if len(self._plain) > self._max_bytes:
                raise ProfileError(f"the {self._what} inflates to more than {self._max_bytes} bytes", Refusal.TOO_LARGE)
            chunk = self._gunzip.unused_data

    def _next_member(self, chunk: bytes) -> bytes:
        """Begins the next member of the file with what stands behind the last; zeros there are padding."""
        chunk = chunk.lstrip(b"\0")
        if chunk and not GZIP_MAGIC.startswith(chunk[:2]):
            raise ProfileError(f"there is data after the end of the gzip stream, before byte {self._received}")
        if chunk:
            self._members += 1
            if self._members > MAX_MEMBERS:
                raise ProfileError(f"the gzip stream has more than {MAX_MEMBERS} members", Refusal.TOO_LARGE)
            self._gunzip = zlib.decompressobj(wbits=31)
        return chunk


class ProfileUpload(Upload):
    """Collects one profile."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        super().__init__("profile", check_start, max_bytes)


class EscapesUpload(Upload):
    """Collects what the compiler says of escapes."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        super().__init__("output", check_text, max_bytes)


def check_start(start: bytes, where: str = "") -> None:
    """Raises ProfileError when the file's first bytes fit no format of a profile."""
    start = behind_hole(start)
    if packed := next((what for magic, what in PACKED.items() if start.startswith(magic)), ""):
        raise ProfileError(f"the file is {packed}: unpack it, or send it as it is or in gzip", Refusal.UNKNOWN_KIND)
    text = not any(byte < 9 or 13 < byte < 27 for byte in start) or start.startswith(UTF16_START)
    wide = len(start) > 3 and (not any(start[1::2]) or not any(start[::2])) and any(start)
    if not (text or wide or start.startswith(PROTO_START)):
        raise unknown(start, f" {where}" if where else "")


def check_text(start: bytes, where: str = "") -> None:
    """Raises ProfileError when the file's first bytes are no text."""
    if any(byte < 9 or 13 < byte < 27 for byte in start):
        raise ProfileError(
            f"not what go build -gcflags='-m -m' prints{f' {where}' if where else ''}: the file is no text, it begins "
            f"with {start!r}",
            Refusal.UNKNOWN_KIND,
        )


def unknown(start: bytes, what: str = "") -> ProfileError:
    """The error for a file that is no profile."""
    return ProfileError(
        f"not a profile{what}: it begins with {start!r}; expected are profile.proto (gzip or not), the text that "
        f"/debug/pprof/goroutine or goroutineleak answers with debug=1 or debug=2, or what a Go program prints as it "
        f"dies of SIGQUIT, a panic or a deadlock, or an execution trace (runtime/trace)",
        Refusal.UNKNOWN_KIND,
    )
