"""Takes a pushed profile in piece by piece: inflates it, and refuses what is too large or something else at once."""

import zlib

from gosonde_collector.model.errors import ProfileError, Refusal

#: The most bytes of a profile, as sent and after inflating.
MAX_BYTES = 64 << 20
#: Every format is known by how it begins: gzip's magic, the text formats' first word (goroutine or
#: goroutineleak), the tag of one of profile.proto's
#: fields (1 to 15, each with its one wire type; writers begin with different ones).
GZIP_MAGIC = b"\x1f\x8b"
TEXT_STARTS = (b"goroutine ", b"goroutinel")
START_BYTES = 10
PROTO_START = tuple(
    bytes([field << 3 | wire])
    for wire, fields in ((2, (1, 2, 3, 4, 5, 6, 11)), (0, (7, 8, 9, 10, 12)))
    for field in fields
)


class ProfileUpload:
    """Collects one profile. Feed it every piece, then finish it."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._received = 0
        self._start = b""
        self._plain = bytearray()
        self._gunzip: zlib._Decompress | None = None

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece in.

        Raises:
            ProfileError: The file is no profile, is damaged, or is too large as sent or after inflating.
        """
        self._received += len(chunk)
        if self._received > self._max_bytes:
            raise ProfileError(f"the profile is larger than {self._max_bytes} bytes", Refusal.TOO_LARGE)
        if self._gunzip or self._plain:
            self._take(chunk)
            return
        self._start += chunk
        if len(self._start) >= START_BYTES:
            self._begin()

    def finish(self) -> bytes:
        """The whole profile, inflated.

        Raises:
            ProfileError: The file is empty, no profile, or ends within its gzip stream.
        """
        if not self._received:
            raise ProfileError("the profile is empty", Refusal.EMPTY)
        if not (self._gunzip or self._plain):
            self._begin()
        if self._gunzip and not self._gunzip.eof:
            raise ProfileError(
                f"the profile is cut off: its gzip stream does not end within {self._received} bytes", Refusal.TRUNCATED
            )
        check_start(bytes(self._plain[:START_BYTES]), "inside the gzip stream" if self._gunzip else "")
        return bytes(self._plain)

    def _begin(self) -> None:
        if self._start.startswith(GZIP_MAGIC):
            self._gunzip = zlib.decompressobj(wbits=31)
        else:
            check_start(self._start[:START_BYTES])
        self._take(self._start)
        self._start = b""

    def _take(self, chunk: bytes) -> None:
        if not self._gunzip:
            self._plain += chunk
            return
        if self._gunzip.eof and chunk:
            raise ProfileError(f"there is data behind the end of the gzip stream, before byte {self._received}")
        try:
            self._plain += self._gunzip.decompress(chunk, self._max_bytes + 1 - len(self._plain))
        except zlib.error as error:
            raise ProfileError(f"the gzip stream is damaged before byte {self._received}: {error}") from error
        if len(self._plain) > self._max_bytes:
            raise ProfileError(f"the profile inflates to more than {self._max_bytes} bytes", Refusal.TOO_LARGE)
        if self._gunzip.unused_data:
            raise ProfileError(f"there is data behind the end of the gzip stream, before byte {self._received}")


def check_start(start: bytes, where: str = "") -> None:
    """Raises ProfileError when the file's first bytes fit no format of a profile."""
    if not start.startswith((*TEXT_STARTS, *PROTO_START)):
        place = f" {where}" if where else ""
        raise ProfileError(
            f"not a profile: it begins{place} with {start!r}; expected are profile.proto (gzip or not), or the text "
            f"that /debug/pprof/goroutine or goroutineleak answers with debug=1 or debug=2",
            Refusal.UNKNOWN_KIND,
        )
