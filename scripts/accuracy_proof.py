"""How good proofs are: against what Go's own goroutineleak profile says, and against programs that lose nobody.

Leaking programs are proved once each. Then healthy programs, adversaries and real servers are scanned again and again,
first on the host as it is ("quiet"), then beside four busy loops a core ("busy"): with the programs and the processes
that scan, some twenty want a CPU then. Each of the three has a table of its own, which --write replaces.

Exit code 0 when every `go` statement that the runtime names is proved, with 97 % of its goroutines, and nobody is
proved wrongly.
"""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import labelled_programs, proof_recall, proof_soundness, proof_subjects, proof_table  # noqa: E402
from tests.busy_host import Loads, busy_host  # noqa: E402
from tests.proof_table import Sound  # noqa: E402

DOCUMENT = ROOT / "docs" / "accuracy.md"
BEGIN, END = "<!-- accuracy-proof {}: begin -->\n", "<!-- accuracy-proof {}: end -->"
HOSTS = ("quiet", "busy")
PARTS = ("recall", *HOSTS)
LOOPS_PER_CORE = 4
#: Processes that scan.
AT_ONCE = {"quiet": 1, "busy": 2}


def main() -> int:
    """Runs what the flags name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs, such as leaky/channel_send; default: all")
    parser.add_argument("--leak-seconds", type=float, default=9.0, help="how long leaking programs run first")
    parser.add_argument("--at-once", type=int, default=8, help="leaking programs at the same time")
    parser.add_argument("--scans", type=int, default=20_000, help="of all others together, half of them on each host")
    parser.add_argument("--seconds", type=float, default=620.0, help="at most for each host, whatever was scanned")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these alone")
    parser.add_argument("--loops", type=int, default=LOOPS_PER_CORE, help="a core, on the busy host (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.relative_to(ROOT)}")
    given = parser.parse_args()
    is_good = True
    for part in given.only:
        lines, part_is_good = _recall(given) if part == "recall" else _soundness(given, is_busy=part == "busy")
        print("\n".join(lines), flush=True)
        is_good = is_good and part_is_good
        if given.write:
            _write(part, "\n".join(lines))
    return 0 if is_good else 1


def _recall(given: argparse.Namespace) -> tuple[list[str], bool]:
    leaky = [label for label in labelled_programs.leaky() if not given.names or label.name in given.names]
    recalled = list(proof_recall.recall(leaky, given.leak_seconds, given.at_once))
    return proof_table.recall_lines(recalled), proof_table.recalls_all(recalled)


def _soundness(given: argparse.Namespace, *, is_busy: bool) -> tuple[list[str], bool]:
    names = [one.name for one in proof_subjects.subjects() if not given.names or one.name in given.names]
    each = -(-given.scans // len(HOSTS) // max(len(names), 1))
    with busy_host(given.loops) if is_busy else nullcontext(), Loads() as loads:
        found = proof_soundness.soundness(names, each, given.seconds, AT_ONCE["busy" if is_busy else "quiet"])
    sound = Sound(found, loads.seen)
    return proof_table.sound_lines("busy" if is_busy else "quiet", sound), sound.is_good


def _write(part: str, text: str) -> None:
    begin, end = BEGIN.format(part), END.format(part)
    before, _, rest = DOCUMENT.read_text().partition(begin)
    DOCUMENT.write_text(f"{before}{begin}{text}\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    sys.exit(main())
