"""The scene of which docs/transcripts.md shows what is printed: two leaking programs, an agent and a collector."""

import shutil
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

from gosonde.collector_client import CollectorClient
from gosonde_common.errors import GosondeError

from tests import kept_probes
from tests.go_programs import GoProgram, build
from tests.transcripts.place import FILES, PROGRAMS
from tests.transcripts.running import InTerminal, folded, screen
from tests.transcripts.sections import AGENT, COLLECTOR, CONFIG, SECTIONS, Line, When

PROFILES: Final = "127.0.0.1:6060/debug/pprof"
#: Where the agent keeps what outlives a run, by default.
STATE: Final = Path("/var/lib/gosonde-agent")
#: Goroutines that leaked: their number keeps its width from then on, whatever the machine.
MANY: Final = 1_000
GC_CYCLES: Final = 3
#: How often a command is run at most, and how long apart, until it prints what is expected.
TRIES, APART_S = 6, 2.0
PATIENCE_S: Final = 300.0

#: Whether the transcript of a line is what was expected.
Expected = Callable[[Line, str], bool]


def play(expected: Expected) -> Iterator[tuple[Line, str]]:
    """Runs every command, those that may print something else later again until that is as expected.

    Raises:
        RuntimeError: The scene does not go on; the message has what the services logged.
    """
    with ExitStack() as stack:
        scene = _Scene(stack)
        for when in When:
            scene.go_on_to(when)
            for line in (line for section in SECTIONS for line in section.lines if line.when is when):
                yield line, scene.transcript(line, expected)


class _Scene:
    """What runs now."""

    def __init__(self, stack: ExitStack) -> None:
        for name, program in (("tickets", "leak"), ("gateway", "leaky/handler")):
            shutil.copy(build(program), PROGRAMS / name)
        (FILES / "agent.toml").write_text(CONFIG)
        kept_probes.give(STATE)
        log = stack.enter_context((FILES / "tickets.log").open("wb"))
        _started(stack, "tickets", "50", "6060", log=log)
        _started(stack, "gateway")
        self._services = {line: stack.enter_context(InTerminal(line.typed)) for line in (COLLECTOR, AGENT)}
        self._collector = stack.enter_context(CollectorClient())

    def go_on_to(self, when: When) -> None:
        """Waits, or does something, until the moment is there."""
        match when:
            case When.RUNNING:
                self._until(lambda: any(row.live > MANY for row in self._collector.sites()))
            case When.COUNTED:
                self._until(self._has_collected_garbage)
                self._until(lambda: bool(self._collector.parks()))
            case When.LEAKING:
                self._until(lambda: self._agrees("memory"))
                _fetch("goroutine", "goroutine.pb.gz")
                _fetch("goroutine?debug=2", "goroutine.txt")
            case When.AGREED:
                self._until(lambda: self._agrees("pprof") and self._knows_gctrace())
            case When.STOPPED:
                for line in (AGENT, COLLECTOR):
                    self._services[line].end(signal.SIGINT)

    def _until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not self._is_answered(holds):
            running = all(service.process.poll() is None for service in self._services.values())
            if not running or time.monotonic() > end:
                logs = "\n".join(service.text for service in self._services.values())
                raise RuntimeError(f"the scene does not go on\n{logs}")
            time.sleep(0.5)

    @staticmethod
    def _is_answered(holds: Callable[[], bool]) -> bool:
        try:
            return holds()
        except GosondeError:  # the collector starts
            return False

    def _has_collected_garbage(self) -> bool:
        _fetch("heap?gc=1", "heap.pb.gz")
        return len(self._collector.gc()) >= GC_CYCLES

    def _agrees(self, witness: str) -> bool:
        return any(finding.witnesses[witness] == "agrees" for finding in self._collector.findings())

    def _knows_gctrace(self) -> bool:
        return any("cycles" in finding.details["gctrace"] for finding in self._collector.findings())

    def transcript(self, line: Line, expected: Expected) -> str:
        """The line as it was typed, and what it printed."""
        finding = self._collector.findings()[0].id if "{finding}" in line.typed else ""
        typed = line.typed.format(finding=finding)
        for tries in range(1 if line.once else TRIES):
            time.sleep(APART_S if tries else 0)
            text = f"$ {typed}\n{self._printed(line, typed)}"
            if all(word in text for word in line.has) and expected(line, text):
                break
        return text

    def _printed(self, line: Line, typed: str) -> str:
        if line in self._services:
            return folded(self._services[line].text)
        if line.window:
            return screen(typed, line.has)
        with InTerminal(typed) as running:
            text = running.end()
        code = running.process.returncode
        return f"{folded(text)}\n$ echo $?\n{code}" if code else text


def _started(stack: ExitStack, name: str, *arguments: str, log: IO[bytes] | None = None) -> GoProgram:
    traced = {"GODEBUG": "gctrace=1"} if log else {}
    return stack.enter_context(GoProgram(PROGRAMS / name, *arguments, env=traced, stderr=log))


def _fetch(profile: str, name: str) -> None:
    with urllib.request.urlopen(f"http://{PROFILES}/{profile}", timeout=60) as answer:
        (FILES / name).write_bytes(answer.read())
