"""The examples in docs/library.md."""

import re
from typing import Final

from tests.paths import ROOT


def examples(text: str) -> dict[str, list[str]]:
    """The programs of a page, by the headings above them."""
    found: dict[str, list[str]] = {}
    for piece in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        programs = re.findall(r"^```python\n(.*?)^```$", piece, re.MULTILINE | re.DOTALL)
        if programs:
            found[piece.partition("\n")[0]] = programs
    return found


EXAMPLES: Final = examples((ROOT / "docs/library.md").read_text())
