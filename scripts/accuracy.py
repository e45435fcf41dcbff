"""How good the findings are: runs every labelled program, and prints what was found, when, where, and why.

All run beside each other, first on the host as it is ("quiet"), then beside two busy loops a core ("busy").

Exit code 0 when every leak was found in time at the right statement with the right cause, and nothing else was flagged.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import accuracy_table, labelled_programs, trials  # noqa: E402
from tests.accuracy_table import Run  # noqa: E402

HEALTHY_SECONDS = 600.0
HOSTS = ("quiet", "busy")
DOCUMENT = ROOT / "docs" / "accuracy.md"
BEGIN, END = "<!-- accuracy: begin -->\n", "<!-- accuracy: end -->"


def main() -> int:
    """Runs what the flags name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs, such as leaky/steps; default: all")
    parser.add_argument("--seconds", type=float, default=HEALTHY_SECONDS, help="how long healthy ones run")
    parser.add_argument("--no-pprof", action="store_true", help="push no profile of the programs")
    parser.add_argument("--only", choices=HOSTS, help="on this host alone")
    parser.add_argument("--write", action="store_true", help=f"put one table of all into {DOCUMENT.relative_to(ROOT)}")
    given = parser.parse_args()
    labels = labelled_programs.leaky() + labelled_programs.healthy()
    chosen = [label for label in labels if not given.names or label.name in given.names]
    runs = {}
    for host in [given.only] if given.only else HOSTS:
        done = trials.run(chosen, given.seconds, pull=not given.no_pprof, busy=host == "busy")
        runs[host] = Run(done, os.getloadavg()[1])
        print("\n".join(accuracy_table.lines({host: runs[host]})), flush=True)
    if given.write:
        _write("\n".join(accuracy_table.lines(runs)))
    return 0 if all(run.is_good for run in runs.values()) else 1


def _write(text: str) -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}{text}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
