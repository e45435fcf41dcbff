"""Lets damaged dumps loose on the parsers: `python -m tests.fuzz.run_dumps SECONDS`, or `--examples N`.

A dump of tests/fixtures in a form that people have it in, then with pieces cut out, repeated and overwritten.
"""

import contextlib
import gzip
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gosonde_collector.analysis.dumps import summarize
from gosonde_collector.evidence.gctrace import parse_gctrace
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.evidence.upload import ProfileUpload
from gosonde_common.errors import GosondeError

from tests.fuzz.harness import CORPUS, Subject

FIXTURES: Final = Path(__file__).parents[1] / "fixtures"
SEEDS: Final = sorted(path for folder in ("dumps", "gctrace", "pprof") for path in (FIXTURES / folder).glob("*.*"))
FORMS: Final[tuple[Callable[[bytes], bytes], ...]] = (
    bytes,
    gzip.compress,
    lambda data: data.replace(b"\n", b"\r\n"),
    lambda data: data.replace(b"\t", b" " * 8),
    lambda data: data.replace(b"\n", b"\n2026-11-28T10:00:00.123Z stderr F "),
    lambda data: data.replace(b"\n", b"\n\x1b[36mweb-1 | \x1b[0m"),
    lambda data: data.decode(errors="replace").encode("utf-16"),
    lambda data: json.dumps({"log": data.decode(errors="replace")}).encode(),
    lambda data: gzip.compress(data[:200]) * 3 + gzip.compress(data[200:]),
)
WORDS: Final = (
    b"\n",
    b"\0",
    b"\xff",
    b"(",
    b"[",
    b"goroutine 1 [a]:\n",
    b"\x1b[",
    b"{",
    b"+0x1 ",
    b" " * 99,
    b"-----\n",
)


@dataclass(frozen=True)
class Damaged:
    """A file as it is given to the parsers."""

    data: bytes

    def to_json(self) -> str:
        """For the corpus."""
        return json.dumps({"dump": self.data.hex()})


def chosen(chance: random.Random) -> Damaged:
    """A form of a seed with up to eight damages, before or after it took the form."""
    data = bytearray(chance.choice(SEEDS).read_bytes())
    form = chance.choice(FORMS)
    early = chance.random() < 0.7
    if not early:
        data = bytearray(form(bytes(data)))
    for _ in range(chance.randrange(8)):
        place = chance.randrange(len(data) + 1)
        data[place : place + chance.randrange(60)] = chance.choice(WORDS) * chance.choice((0, 1, 2, 1_000, 40_000))
    return Damaged(form(bytes(data)) if early else bytes(data))


def exercise(damage: Damaged) -> None:
    """Only typed errors may come out."""
    with contextlib.suppress(GosondeError):
        upload = ProfileUpload()
        upload.feed(damage.data)
        profile = parse_profile(upload.finish(), partial=True)
        if isinstance(profile, GoroutineProfile):
            summarize(profile)
    with contextlib.suppress(GosondeError):
        parse_gctrace(damage.data)


def main() -> None:
    """Runs the examples."""
    corpus = CORPUS / "dumps"
    corpus.mkdir(exist_ok=True)
    Subject(
        "damaged dumps", corpus, lambda text: Damaged(bytes.fromhex(json.loads(text)["dump"])), chosen, exercise
    ).run(sys.argv[1:])


if __name__ == "__main__":
    main()
