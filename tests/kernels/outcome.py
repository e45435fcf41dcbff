"""What a run on a kernel showed, read from the disk that it wrote its results on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of one kernel.

    Attributes:
        release: The kernel's own word for its version; empty where it did not come so far.
        tests: By the test's name, "passed", "failed" or "skipped"; without those that never ended.
        seconds: How long the tests took, together.
    """

    release: str
    tests: Mapping[str, str]
    seconds: float

    def not_passed(self, wanted: Sequence[str]) -> Sequence[str]:
        """Those tests that did not pass, with what they did instead."""
        found = {test: self.tests.get(test, "never ended") for test in wanted}
        return [f"{test}: {outcome}" for test, outcome in found.items() if outcome != PASSED]


def read(disk: Path) -> Outcome:
    """The results on a disk; what was cut off in the middle is left out."""
    whole, _, _ = disk.read_bytes().partition(b"\0")
    lines = [json.loads(line) for line in whole.split(b"\n")[:-1]]
    tests: dict[str, str] = {}
    for line in lines[1:]:
        # What fails in taking down has passed before.
        if tests.get(line["test"], PASSED) == PASSED:
            tests[line["test"]] = line["outcome"]
    release = lines[0]["kernel"] if lines else ""
    return Outcome(release, tests, sum(line["seconds"] for line in lines[1:]))
