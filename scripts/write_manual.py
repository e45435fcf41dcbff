"""Writes the manual pages and what shells read for completion into a folder such as /usr/share: `make install` does."""

import sys
from pathlib import Path

from gosonde_cli import cli, completion, manual

#: Where each shell looks, below share/.
PLACES = {
    "bash": "bash-completion/completions/gosonde",
    "zsh": "zsh/site-functions/_gosonde",
    "fish": "fish/vendor_completions.d/gosonde.fish",
}


def main() -> None:
    """Writes them into the folder that is the only argument."""
    share = Path(sys.argv[1])
    for name, text in manual.pages(cli.app()):
        write(share / "man/man1" / f"{name}.1", text)
    for shell, place in PLACES.items():
        write(share / place, f"{completion.script(shell)}\n")


def write(path: Path, text: str) -> None:
    """Makes a file, and the folders to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)


main()
