"""Files that people name in a configuration: whatever they are, no more than what is useful is read of them."""

from pathlib import Path

from gosonde_common.errors import UsageError


def read_within(path: Path, most_bytes: int) -> bytes:
    """The content of a file. Raises UsageError: it cannot be read, or is larger than `most_bytes`."""
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > most_bytes:
        raise UsageError(f"{path} is larger than {most_bytes} bytes")
    return content
