"""Damages what one command reads of programs: what the fuzzers of timers, contexts and connections share."""

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gosonde_agent.sources.memory.target import Target

from tests.fuzz.harness import CORPUS, Subject
from tests.fuzz.run_memory import VERSIONS, Damage, Process, damage_to, read_damaged


@dataclass(frozen=True)
class Programs:
    """Stopped programs, each built by every version.

    Attributes:
        process: One of them, by version and name; made once.
        names: All of them.
        structures: Whose layout is damaged as well.
        read: What is done with a damaged one; only typed errors may come out.
    """

    process: Callable[[str, str], Process]
    names: Sequence[str]
    structures: Sequence[str]
    read: Callable[[Target], None]

    def run(self, what: str, corpus: str) -> None:
        """Runs the examples that the command line asks for."""
        for version in VERSIONS:
            for name in self.names:
                self.process(version, name)
        Subject(what, CORPUS / corpus, Damage.from_json, self._chosen, self._exercise).run(sys.argv[1:])

    def _chosen(self, chance: random.Random) -> Damage:
        """Some patches at places that matter."""
        version = chance.choice(VERSIONS)
        name = f"{version} {chance.choice(self.names)}"
        return damage_to(self.process(*name.split()), name, self.structures, chance)

    def _exercise(self, damage: Damage) -> None:
        read_damaged(self.process(*damage.version.split()), damage, self.read)
