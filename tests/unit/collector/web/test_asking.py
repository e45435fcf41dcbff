"""Taking a snapshot from a page: it answers at once, says how it went, and asks for no more than an agent bears."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.by import By
from gosonde_collector.model.errors import SnapshotError
from gosonde_collector.model.values import ProcessKey, SnapshotKind
from gosonde_collector.snapshots.requests import Proved, Taken
from gosonde_collector.web import process_rows
from gosonde_common.values.audit import Actor
from gosonde_common.values.reachability import SearchOutcome

from tests.agent_process import eventually
from tests.hostile_text import SENDABLE, unshown
from tests.unit.collector.batches import KEY, START, batch, process
from tests.unit.collector.web.conftest import ADMIN, READ, Served, finding
from tests.unit.collector.web.test_findings_list import MARKUP

Serving = Callable[..., Served]
FOUND = "/findings/0000000000000001"
PROCESS = process_rows.address("web-1", KEY)
PROFILE = GoroutineProfile("memory", tuple(GoroutineGroup(n, (Frame(f"main.f{n}", "main.go", n),)) for n in (1200, 34)))


class Agent:
    """Takes what it is asked for as soon as it may."""

    def __init__(self, error: str = "") -> None:
        self.may_answer = threading.Event()
        self.asked: list[tuple[str, int, str]] = []
        self.by: list[By] = []
        self._error = error

    async def take_of(self, host: str, process: ProcessKey, kind: SnapshotKind, by: By) -> Taken:
        self.by.append(by)
        self.asked.append((host, process.pid, kind))
        await self._turn()
        return Taken("anid", PROFILE, 5)

    async def prove(self, host: str, pid: int, by: By) -> Proved:
        self.by.append(by)
        self.asked.append((host, pid, "proof"))
        await self._turn()
        return Proved(SearchOutcome(START, 3, "", 70, 60, 2), 5, ())

    async def _turn(self) -> None:
        while not self.may_answer.is_set():
            await asyncio.sleep(0.01)
        if self._error:
            raise SnapshotError(self._error)


def served(serving: Serving, agent: Agent, **more: Any) -> Served:
    """With a finding of a process that runs."""
    return serving(finding(process=KEY), batches=[batch(1)], snapshots=agent, **more)


def asked(page: Served, address: str = FOUND) -> list[dict[str, Any]]:
    separator = "&" if "?" in address else "?"
    found: list[dict[str, Any]] = json.loads(page.get(f"{address}{separator}format=json").text)["asked"]
    return found


def ended(page: Served) -> dict[str, Any]:
    eventually(lambda: bool(asked(page)[0]["ended_unix_nano"]))
    return asked(page)[0]


def below(address: str) -> str:
    return address.replace("?", "/snapshot?")


def test_one_is_led_back_at_once_and_sees_how_it_went(serving: Serving) -> None:
    agent = Agent()
    page = served(serving, agent)
    answer = page.post(f"{FOUND}/snapshot", {"kind": "memory"})
    assert (answer.status, answer.headers["location"]) == (303, f"{FOUND}#take")
    assert "being taken" in page.get(FOUND).text
    agent.may_answer.set()
    assert ended(page)["taken"]
    address = PROCESS.replace("?", "/snapshots?")
    link = f'<a href="{address}&amp;id=anid">1,234 goroutines with 2 distinct stacks</a>'
    assert f"taken: {link}" in page.get(FOUND).text
    assert f"taken: {link}" in page.get(PROCESS).text
    assert agent.asked == [("web-1", KEY.pid, "memory")]


def test_a_proof_says_what_it_has_proved(serving: Serving) -> None:
    agent = Agent()
    agent.may_answer.set()
    page = served(serving, agent)
    page.post(f"{FOUND}/snapshot", {"kind": "proof"})
    assert "60 can never be woken (proved)" in ended(page)["outcome"]


def test_the_page_of_the_process_takes_one_too_and_both_show_it(serving: Serving) -> None:
    agent = Agent()
    agent.may_answer.set()
    page = served(serving, agent, web_user_header="X-User", web_admins="ann")
    answer = page.post(below(PROCESS), {"kind": "pprof"}, X_User="ann")
    assert (answer.status, answer.headers["location"]) == (303, f"{PROCESS}#take")
    eventually(lambda: "1,234 goroutines with" in page.get(PROCESS, X_User="zoe").text)
    assert agent.by == [By(Actor.PAGE, "ann")]
    text = page.get(FOUND, X_User="zoe").text
    assert "by <bdi>ann</bdi>" in text
    assert "<button>Take" not in text


def test_why_there_is_none_is_said_as_text_alone(serving: Serving) -> None:
    agent = Agent(MARKUP + SENDABLE)
    agent.may_answer.set()
    page = served(serving, agent)
    page.post(f"{FOUND}/snapshot", {"kind": "memory"})
    assert not ended(page)["taken"]
    for path in (FOUND, PROCESS):
        text = page.get(path).text
        assert "not taken: " in text
        assert "<img" not in text
        assert unshown(text.replace("\n", "")) == []


def test_one_of_a_process_is_under_way_at_a_time_and_not_many_in_a_minute(serving: Serving) -> None:
    agent = Agent()
    page = served(serving, agent)
    assert page.post(f"{FOUND}/snapshot", {"kind": "memory"}).status == 303
    assert page.post(below(PROCESS), {"kind": "pprof"}).status == 429
    agent.may_answer.set()
    statuses = []
    for _ in range(4):
        ended(page)
        statuses.append(page.post(f"{FOUND}/snapshot", {"kind": "memory"}).status)
    assert statuses[:2] == [303, 303]
    assert 429 in statuses
    assert len(agent.asked) == len(asked(page))


def test_other_pages_are_served_while_an_agent_is_slow(serving: Serving) -> None:
    agent = Agent()
    page = served(serving, agent)
    page.post(f"{FOUND}/snapshot", {"kind": "memory"})
    time.sleep(0.05)
    assert page.get("/findings").status == 200
    assert not asked(page)[0]["ended_unix_nano"]


@pytest.mark.parametrize("kind", ["", "everything", "MEMORY"])
def test_a_kind_that_there_is_not_is_refused(serving: Serving, kind: str) -> None:
    agent = Agent()
    page = served(serving, agent)
    for path in (f"{FOUND}/snapshot", below(PROCESS)):
        assert page.post(path, {"kind": kind}).status == 400
    assert agent.asked == []


def test_of_a_process_that_has_ended_none_is_taken(serving: Serving) -> None:
    agent = Agent()
    over = batch(1, processes=[process(ended_unix_nano=START)])
    page = serving(finding(process=KEY), batches=[over], snapshots=agent)
    for path in (f"{FOUND}/snapshot", below(PROCESS), "/processes/web-1/1/snapshot", "/processes/x/4711/snapshot"):
        assert page.post(path, {"kind": "proof"}).status == 404, path
    assert agent.asked == []


@pytest.mark.parametrize("path", [f"{FOUND}/snapshot", below(PROCESS)])
def test_only_who_has_the_role_admin_takes_snapshots(serving: Serving, path: str) -> None:
    agent = Agent()
    page = served(serving, agent, tokens=True)
    form = {"kind": "memory"}
    assert page.post(path, form).status == 401
    assert page.post(path, form, Cookie=page.sign_in(READ)).status == 403
    assert page.post(path, form, Cookie=page.sign_in(ADMIN), Sec_Fetch_Site="cross-site").status == 403
    assert agent.asked == []
    assert page.post(path, form, Cookie=page.sign_in(ADMIN)).status == 303
