"""What a misspelt name is most like."""

import difflib
from collections.abc import Iterable


def advice(name: str, known: Iterable[str]) -> str:
    """A clause: the known name that is most like it, as a question, or all of them where none is like it."""
    names = list(known)
    like = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {like[0]}?" if like else f"known are {', '.join(names)}"
