"""Texts as messages can hold them."""

from gosonde_common.foreign import bounded

#: A longer text is cut and ends in "…", so that one row always fits into a batch.
MAX_TEXT = 16_384


def text(value: str) -> str:
    """The value as valid UTF-8 of bounded length: paths and symbol names come from programs that we do not trust."""
    if not value.isascii():
        value = value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return bounded(value, MAX_TEXT)
