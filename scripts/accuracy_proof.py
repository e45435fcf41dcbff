"""How good proofs are: against what Go's own goroutineleak profile says, and against programs that lose nobody.

Leaking programs are proved once each. Then healthy programs, adversaries and real servers are scanned again and again,
first on the host as it is ("quiet"), then beside four busy loops a core ("busy"): with the programs and the processes
that scan, some twenty want a CPU then.

Exit code 0 when every `go` statement that the runtime names is proved, with 97 % of its goroutines, and nobody is
proved wrongly.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import labelled_programs, proof_recall, proof_soundness, proof_subjects, proof_table  # noqa: E402
from tests.busy_host import busy_host  # noqa: E402
from tests.proof_table import Sound  # noqa: E402

DOCUMENT = ROOT / "docs" / "accuracy.md"
BEGIN, END = "<!-- accuracy-proof: begin -->\n", "<!-- accuracy-proof: end -->"
HOSTS = ("quiet", "busy")
LOOPS_PER_CORE = 4
#: Processes that scan. On a busy host each has less of it.
AT_ONCE = {"quiet": 2, "busy": 6}


def main() -> int:
    """Runs what the flags name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs, such as leaky/channel_send; default: all")
    parser.add_argument("--leak-seconds", type=float, default=9.0, help="how long leaking programs run first")
    parser.add_argument("--at-once", type=int, default=8, help="leaking programs at the same time")
    parser.add_argument("--scans", type=int, default=20_000, help="of all others together, half of them on each host")
    parser.add_argument("--seconds", type=float, default=620.0, help="at most for each host, whatever was scanned")
    parser.add_argument("--only", choices=HOSTS, help="on this host alone")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.relative_to(ROOT)}")
    given = parser.parse_args()
    leaky = [label for label in labelled_programs.leaky() if not given.names or label.name in given.names]
    names = [one.name for one in proof_subjects.subjects() if not given.names or one.name in given.names]
    recalled = list(proof_recall.recall(leaky, given.leak_seconds, given.at_once))
    lines = [*proof_table.recall_lines(recalled), ""]
    print("\n".join(lines), flush=True)
    hosts = {}
    for host in [given.only] if given.only else HOSTS:
        hosts[host] = _sound(names, given.scans, given.seconds, is_busy=host == "busy")
        print("\n".join(proof_table.sound_lines({host: hosts[host]})), flush=True)
    if given.write:
        _write("\n".join([*lines, *proof_table.sound_lines(hosts)]))
    return 0 if proof_table.recalls_all(recalled) and all(sound.is_good for sound in hosts.values()) else 1


def _sound(names: Sequence[str], scans: int, seconds: float, *, is_busy: bool) -> Sound:
    each = -(-scans // len(HOSTS) // max(len(names), 1))
    with busy_host(LOOPS_PER_CORE) if is_busy else nullcontext():
        before = os.getloadavg()[0]
        found = proof_soundness.soundness(names, each, seconds, AT_ONCE["busy" if is_busy else "quiet"])
        return Sound(found, (before, os.getloadavg()[0]))


def _write(text: str) -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}{text}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
