"""Sets gosonde up in other distributions and runs its tests there: `python -m tests.distributions.run [SUITE ...]`.

A suite is one of Debian's; without any, all of SUITES are tried. Each has the repository as it was committed. Ends with
1 when something did not hold. PYTEST_ARGS in the environment chooses among the tests, as for `make test`.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import debian_root
from tests.paths import ROOT

#: With Python 3.13 and bcc 0.31, and with what is newest.
SUITES = ("trixie", "sid")
#: What a user has who can clone and type `make`; set-up installs all else.
INCLUDED = "make,git,ca-certificates"
ENTER = Path(__file__).with_name("enter.sh")
PLACE = Path("root/gosonde")
VERSIONS = "import sys; print('Python', sys.version.split()[0]); import bcc; print('bcc', bcc.__version__)"


def say(text: str) -> None:
    """To whoever waits."""
    sys.stderr.write(f"{text}\n")


def holds_in(suite: str, pytest_args: str) -> bool:
    """Whether set-up and tests end well in a suite. What they print is seen.

    Raises:
        subprocess.CalledProcessError: The root could not be made.
    """
    root = debian_root.made(suite, INCLUDED)
    with tempfile.TemporaryDirectory(prefix="gosonde-") as name:
        place = Path(name) / "upper" / PLACE
        place.parent.mkdir(parents=True)
        subprocess.run(("git", "clone", "--quiet", ROOT, place), check=True)
        commands = (
            f"cd /{PLACE}",
            "make setup",
            f".venv/bin/python -c {shlex.quote(VERSIONS)}",
            f"make test PYTEST_ARGS={shlex.quote(pytest_args)}",
        )
        inside = ("bash", "-c", " && ".join(commands))
        entering = ("unshare", "--mount", "--propagation", "private", ENTER, root, name, *inside)
        began = time.monotonic()
        code = subprocess.run(entering, check=False).returncode
    say(f"{suite}: {'holds' if not code else f'ended with {code}'}, after {time.monotonic() - began:.0f} s")
    return not code


def main() -> int:
    """The exit code."""
    outcomes = [holds_in(suite, os.environ.get("PYTEST_ARGS", "")) for suite in sys.argv[1:] or SUITES]
    return int(not all(outcomes))


if __name__ == "__main__":
    sys.exit(main())
