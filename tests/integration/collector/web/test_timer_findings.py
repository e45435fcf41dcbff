"""A program that forgets its timers is found, in lists, on pages and in metrics; one that stops them is not."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests import browser, web_page
from tests.agent_process import AgentProcess, eventually, free_port
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build

PROGRAM, CALLBACK, LONG_S = "timed/sessions", "main.(*session).expire-fm", 300.0
GOSONDE = str(Path(sys.executable).with_name("gosonde"))
#: Readings are 15 seconds apart, and growth needs some of them.
pytestmark = [pytest.mark.minutes, pytest.mark.timeout(900)]


class Watched:
    """A collector with a page and metrics, and an agent that watches both programs."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        (folder / "agent.toml").write_text("")
        self.metrics = f"127.0.0.1:{free_port()}"
        self.page, flags = web_page.configured(folder)
        started = CollectorProcess(folder, *map(str, flags), "--http", self.metrics)
        self.collector = stack.enter_context(started).address
        agent = AgentProcess(folder, self.collector, str(build(PROGRAM)))
        stack.callback(agent.kill)
        self.forgets, self.stops = (stack.enter_context(GoProgram(build(PROGRAM), how)) for how in ("forget", "stop"))

    def findings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.said("findings", "--json"))
        return found

    def said(self, *words: str) -> str:
        command = [GOSONDE, words[0], "--collector", self.collector, *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def known(self) -> dict[int, int]:
        """What `gosonde timers` has of each process."""
        rows = json.loads(self.said("timers", "--function", "expire", "--json"))
        assert all(one["lasting"] == one["pending"] for one in rows)
        return {one["process"]["pid"]: one["pending"] for one in rows}

    def exported(self) -> str:
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=60) as answer:
            text: str = answer.read().decode()
        return text


@pytest.fixture
def watched(tmp_path: Path, ebpf: None) -> Iterator[Watched]:  # noqa: ARG001
    with ExitStack() as stack:
        yield Watched(tmp_path, stack)


def test_timers_that_are_forgotten_are_found_and_those_that_are_stopped_are_not(
    chromium: Browser, watched: Watched
) -> None:
    eventually(lambda: bool(watched.findings()), LONG_S)
    pending = watched.forgets.ask("rest")["pending"]
    eventually(lambda: watched.findings()[0]["live"] == pending, LONG_S)
    (found,) = watched.findings()
    assert (found["process"]["pid"], found["cause"]) == (watched.forgets.pid, "pending-timers")
    assert (found["timers"]["kind"], found["timers"]["callback"]) == ("func", CALLBACK)
    assert (found["timers"]["repeats"], found["timers"]["pending"]) == (False, pending)
    assert found["witnesses"] == {"events": "silent", "memory": found["witnesses"]["memory"]}
    assert f"timers that call {CALLBACK}" in watched.said("findings")
    assert f"{pending} of {pending} pending timers" in watched.said("findings", "--explain", found["id"])
    counted = {watched.forgets.pid: pending, watched.stops.pid: watched.stops.ask("rest")["pending"]}
    eventually(lambda: watched.known() == counted, LONG_S)
    exported = watched.exported()
    assert f'gosonde_findings{{state="{found["state"]}"}} 1.0' in exported
    rows = [line for line in exported.splitlines() if line.startswith("gosonde_pending_timers{") and CALLBACK in line]
    assert {pid: float(row.split()[-1]) for row in rows for pid in counted if f'pid="{pid}"' in row} == counted
    with browser.page(chromium) as page:
        page.goto(f"{watched.page}/findings/{found['id']}")
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Timers that call {CALLBACK}")
        expect(page.locator("#live")).to_have_text("Pending timers")
        expect(page.locator("#chart canvas")).to_be_visible()
        expect(page.get_by_text(f"gosonde timers {watched.forgets.pid}")).to_be_visible()
        web_page.check(page)
