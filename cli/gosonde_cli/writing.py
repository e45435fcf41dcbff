"""Files that an option names, and that a command writes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gosonde_common.errors import UsageError


def write(option: str, path: Path, pieces: Iterable[str]) -> None:
    """Writes text, in UTF-8.

    Raises:
        UsageError: The file cannot be written.
    """
    with _refused(option, path), path.open("w", encoding="utf-8", errors="backslashreplace") as out:
        out.writelines(pieces)


def write_bytes(option: str, path: Path, data: bytes) -> None:
    """Writes bytes.

    Raises:
        UsageError: The file cannot be written.
    """
    with _refused(option, path):
        path.write_bytes(data)


@contextmanager
def _refused(option: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from error
