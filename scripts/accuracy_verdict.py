"""How good verdicts of `gosonde trace` and `gosonde check` are: has both look at every labelled program.

Each is watched for ten seconds by either command from its start, for longer from its start, and when it is old; first
on the host as it is ("quiet"), then beside two busy loops a core ("busy").

Exit code 0 when nothing was named that does not leak.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import labelled_programs, verdict_table, verdict_trials  # noqa: E402
from tests.verdict_trials import Situation  # noqa: E402

HOSTS = ("quiet", "busy")
SHORT_S, LONG_S = 10.0, 90.0
#: Older than what is named only after five minutes must be.
OLD_S = 330.0
SITUATIONS = {
    "trace-start": Situation("`trace`, first 10 s", "trace", SHORT_S),
    "check-start": Situation("`check`, first 10 s", "check", SHORT_S),
    "check-longer": Situation("`check`, first 90 s", "check", LONG_S),
    "trace-old": Situation("`trace`, 10 s, older than 330 s", "trace", SHORT_S, OLD_S),
    "check-old": Situation("`check`, 10 s, older than 330 s", "check", SHORT_S, OLD_S),
}
DOCUMENT = ROOT / "docs" / "accuracy.md"
BEGIN, END = "<!-- accuracy-verdict: begin -->\n", "<!-- accuracy-verdict: end -->"


def main() -> int:
    """Runs what the flags name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs, such as leaky/steps; default: all")
    parser.add_argument("--only", choices=HOSTS, help="on this host alone")
    parser.add_argument("--situation", action="append", choices=SITUATIONS, help="in this one alone; may be repeated")
    parser.add_argument("--source", default="", help="by this source alone, as gosonde trace takes it")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.relative_to(ROOT)}")
    given = parser.parse_args()
    labels = labelled_programs.leaky() + labelled_programs.healthy() + labelled_programs.filling()
    chosen = [label for label in labels if not given.names or label.name in given.names]
    situations = [SITUATIONS[name] for name in given.situation or SITUATIONS]
    runs = {}
    for host in [given.only] if given.only else HOSTS:
        runs[host] = verdict_trials.run(chosen, situations, busy=host == "busy", source=given.source)
        print("\n".join(verdict_table.lines({host: runs[host]})), flush=True)
    if given.write:
        _write("\n".join(verdict_table.lines(runs)))
    return 0 if all(map(verdict_table.is_good, runs.values())) else 1


def _write(text: str) -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}{text}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
