"""What docs/install.md says works with which privileges does, and what it says does not is refused: row by row."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent.host.privileges import uprobes_need_admin
from gosonde_agent.watch.trace.attaching import danger
from gosonde_common.errors import GosondeError

from tests import kept_probes
from tests.agent_process import AgentProcess, eventually
from tests.collector_process import GOSONDE
from tests.go_programs import GoProgram, build
from tests.paths import ROOT

#: Who runs the commands, and another user.
USER, OTHER = 65_534, 12_345
#: What runs a command as each.
AS_USER, AS_OTHER = (
    ("setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups") for number in (USER, OTHER)
)
SOURCES = ("memory", "ebpf", "perf-breakpoints", "perf-uprobes", "ptrace")
COLUMNS = {
    "`goroutines`, `timers`, `contexts`, `http`, `gc --here`, `leaks`": (
        *(("goroutines",), ("timers",), ("contexts",), ("http",)),
        *(("gc", "--here"), ("leaks",)),
    ),
    "`goroutines --stop`": (("goroutines", "--stop"),),
    "`inspect PID`": (("inspect",),),
    **{f"`trace --source {name}`": (("trace", "--source", name, "--duration", "0.1s"),) for name in SOURCES},
}
#: How often a process is stopped where the host is too busy for it.
TRIES = 20

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up a part of its capabilities"),
]


def table() -> dict[str, dict[str, str]]:
    """The rows of docs/install.md, by their first cell; each by its columns."""
    text = (ROOT / "docs" / "install.md").read_text()
    block = text.partition("### What works with what")[2].partition("### ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", block, re.MULTILINE)
    ]
    names, _, *found = rows
    return {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in found}


ROWS = table()
#: `make test-sources` tries every row, and CI those between which most differs.
TRIED = [name for name in ROWS if os.environ.get("GOSONDE_SOURCES") == "full" or name in {"none", "root"}]


def test_the_table_has_the_columns_that_are_tried_and_a_row_without_any_privilege() -> None:
    assert {*COLUMNS, "agent"} == set(ROWS["none"])
    assert len(ROWS) > 5


def having(privileges: str) -> tuple[str, ...]:
    """What runs a command with what the first cell of a row says."""
    if privileges == "root":
        return ()
    names = [name.removeprefix("CAP_").lower() for name in privileges.split(", ")] if privileges != "none" else []
    sets = ",".join(("-all", *(f"+{name}" for name in names)))
    return (*AS_USER, f"--inh-caps={sets}", f"--ambient-caps={sets}")


@dataclass
class Place:
    """A folder that everybody may read, with a program of each user that runs."""

    folder: Path
    own: GoProgram
    other: GoProgram

    def environment(self, privileges: str) -> dict[str, str]:
        """With a cache of compiled probes that belongs to who runs the commands."""
        cache = self.folder / "cache"
        if not (cache / "gosonde").exists():
            kept_probes.give(cache / "gosonde")
        owner = 0 if privileges == "root" else USER
        for path in (cache, *cache.rglob("*")):
            os.chown(path, owner, owner)
        return {**os.environ, "XDG_CACHE_HOME": str(cache), "HOME": str(self.folder)}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    if subprocess.run((*AS_USER, "test", "-r", GOSONDE), check=False).returncode:
        pytest.skip("the checkout lies in a folder that only root may enter")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        own, other = (Path(shutil.copy(build("parked"), folder / who)) for who in ("own", "other"))
        programs = [
            stack.enter_context(GoProgram(Path("/usr/bin/setpriv"), *command[1:], "--inh-caps=-all", str(path), "5"))
            for command, path in ((AS_USER, own), (AS_OTHER, other))
        ]
        yield Place(folder, *programs)


def works(command: tuple[str, ...], program: GoProgram, privileges: str, place: Place) -> bool:
    """Whether a command does what it does of a process; if not, it says so in one line."""
    where = ("--pid", str(program.pid)) if command[0] == "trace" else (str(program.pid),)
    asked = (*having(privileges), GOSONDE, command[0], *where, *command[1:])
    for _ in range(TRIES):
        done = subprocess.run(
            asked, capture_output=True, text=True, env=place.environment(privileges), cwd="/", check=False
        )
        if "was resumed after" not in done.stderr and "did not stop" not in done.stderr:
            break
    if done.returncode:
        assert done.returncode == 3, done.stderr
        said = done.stderr.removeprefix(f"{danger('ptrace')}\n") if "ptrace" in command else done.stderr
        assert said.startswith("gosonde: "), done.stderr
        assert said.count("\n") == 1, done.stderr
        assert privileges != "root", done.stderr
    return done.returncode == 0


def meant(cell: str, privileges: str) -> str:
    """What a cell says of this kernel."""
    if "¹" in cell and "CAP_SYS_ADMIN" not in privileges and uprobes_need_admin():
        return cell.partition(" ")[0].replace("`full`", "`memory`") if "`" in cell else "none"
    if "³" in cell and perf_uprobes_need_admin():
        return "none"
    return cell.rstrip(" ¹²³")


@cache
def perf_uprobes_need_admin() -> bool:
    """Whether this kernel opens uprobes of perf events only with CAP_SYS_ADMIN: who has CAP_PERFMON alone tries."""
    try_it = "from gosonde_agent.sources.perf.uprobes import try_uprobe; try_uprobe()"
    tried = (*having("CAP_PERFMON"), sys.executable, "-c", try_it)
    done = subprocess.run(tried, capture_output=True, text=True, cwd="/", check=False)
    assert not done.returncode or "NotPermittedError" in done.stderr, done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("privileges", TRIED)
def test_a_command_works_where_the_table_says_so_and_is_refused_elsewhere(
    privileges: str, column: str, place: Place
) -> None:
    found = set()
    for command in COLUMNS[column]:
        own, other = (works(command, program, privileges, place) for program in (place.own, place.other))
        found.add({(True, True): "all", (True, False): "own", (False, False): "none"}[own, other])
    assert found == {meant(ROWS[privileges][column], privileges)}


@contextmanager
def watching(privileges: str, place: Place) -> Iterator[AgentProcess]:
    folder = Path(tempfile.mkdtemp(dir=place.folder))
    (folder / "agent.toml").write_text("interval_seconds = 0.2\n")
    kept_probes.give(folder / "state")
    owner = 0 if privileges == "root" else USER
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner, owner)
    agent = AgentProcess(folder, "", f"{place.folder}/*", (*having(privileges), GOSONDE), compiles=True)
    try:
        yield agent
    finally:
        agent.kill()


def seen(agent: AgentProcess, pid: int) -> str:
    """The level at which an agent shows the goroutines of a process; empty where it does not."""
    try:
        with AgentClient(agent.listen, timeout_seconds=10) as client:
            found = client.observation(pid)
    except GosondeError:
        return ""
    return found.processes[0].level.value if any(row.baseline for row in found.site_counts) else ""


@pytest.mark.parametrize("privileges", TRIED)
def test_the_agent_watches_what_the_table_says_at_the_level_that_it_says(privileges: str, place: Place) -> None:
    level, _, whose = meant(ROWS[privileges]["agent"], privileges).partition(" of ")
    with watching(privileges, place) as agent:
        eventually(lambda: seen(agent, place.own.pid) != "", 180)
        if whose == "all":
            eventually(lambda: seen(agent, place.other.pid) != "", 180)
        eventually(lambda: seen(agent, place.own.pid) == level.strip("`"), 180)
        assert (seen(agent, place.other.pid) != "") == (whose == "all")
