"""Muting a leak and taking snapshots of it in a real browser, and pages of it that renew themselves."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import browser, web_page
from tests.agent_process import AgentProcess, delivers_its_own, eventually
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build

#: For what takes scans of five seconds, on a machine under load.
LONG_S = 180.0
LEAK = "leaky/channel_send"
REASON = 'known: <b>ticket 7</b> & "harmless"'


@dataclass
class Site:
    """A collector whose page is at `address` whenever it runs; `restart` has it begin again with what it has stored."""

    address: str
    restart: Callable[[], None]
    finding: str = ""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, ebpf: None) -> Iterator[Site]:  # noqa: ARG001
    """Once the finding of a leak that goes on is known."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "agent.toml").touch()
    address, flags = web_page.configured(folder)
    with ExitStack() as always, ExitStack() as running:
        collector = running.enter_context(CollectorProcess(folder, *map(str, flags)))

        def restart() -> None:
            running.pop_all().close()
            running.enter_context(CollectorProcess(folder, *map(str, flags), listen=collector.address))
            web_page.wait_for(address)

        agent = AgentProcess(folder, collector.address, str(build(LEAK)))
        always.callback(agent.kill)
        web_page.wait_for(address)
        eventually(lambda: delivers_its_own(agent.listen), LONG_S)
        with GoProgram(build(LEAK), "100ms"):
            eventually(lambda: bool(asked(f"{address}/findings")["findings"]), LONG_S)
            number = asked(f"{address}/findings")["findings"][0]["id"]
            yield Site(address, restart, f"{address}/findings/{number}")


def asked(address: str) -> Any:
    separator = "&" if "?" in address else "?"
    with urllib.request.urlopen(f"{address}{separator}format=json", timeout=60) as answer:  # noqa: S310 - http
        return json.load(answer)


def press_until(page: Page, key: str, where: str) -> None:
    """Presses a key until what has the focus is what a selector names."""
    for _ in range(80):
        page.keyboard.press(key)
        if page.evaluate("(where) => document.activeElement.matches(where)", where):
            return
    raise AssertionError(f"{key} does not lead to {where}")


@pytest.mark.parametrize("size", [browser.WIDE, browser.NARROW], ids=["wide", "narrow"])
def test_a_leak_is_muted_by_keyboard_stays_so_after_a_restart_and_is_unmuted(
    chromium: Browser, site: Site, size: tuple[int, int]
) -> None:
    with browser.page(chromium, size, expected="ERR_") as page:  # while the collector is not there
        page.goto(site.finding)
        press_until(page, "Tab", ".acts summary")
        page.keyboard.press("Enter")
        press_until(page, "Tab", "input[name=reason]")
        page.keyboard.type(REASON)
        web_page.check(page)
        page.keyboard.press("Tab")
        page.keyboard.type("7 days")
        press_until(page, "Tab", ".acts button")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Muted")).to_be_visible()
        expect(page.get_by_text(REASON)).to_be_visible()
        web_page.check(page)
        page.goto(f"{site.address}/findings")
        expect(page.locator("main tbody tr")).to_have_count(0)
        web_page.check(page)
        page.get_by_role("link", name="Show it").click()
        expect(page.locator("main tbody tr")).to_have_count(1)
        expect(page.locator("main tbody").get_by_text("muted")).to_be_visible()
        web_page.check(page)
        site.restart()
        found = asked(site.finding)["finding"]["muted"]
        assert found["reason"] == REASON
        assert found["until_unix_nano"] - found["since_unix_nano"] == 7 * 86_400 * 10**9
        page.goto(site.finding)
        page.get_by_role("button", name="Unmute").click()
        expect(page.get_by_role("heading", name="Muted")).to_have_count(0)
        page.goto(f"{site.address}/findings")
        expect(page.locator("main tbody tr")).to_have_count(1)


def test_a_list_that_is_open_shows_that_a_finding_was_muted_elsewhere(chromium: Browser, site: Site) -> None:
    with browser.page(chromium) as watching, browser.page(chromium) as acting:
        watching.goto(f"{site.address}/findings")
        expect(watching.locator("main tbody tr")).to_have_count(1)
        acting.goto(site.finding)
        acting.get_by_text("Mute this finding").click()
        acting.get_by_label("Reason").fill(REASON)
        acting.get_by_role("button", name="Mute", exact=True).click()
        expect(watching.get_by_text("1 muted finding is not in this list.")).to_be_visible()
        acting.get_by_role("button", name="Unmute").click()
        expect(watching.locator("main tbody tr")).to_have_count(1)


#: How a snapshot of each kind ends: what is under way when memory is to be searched may keep it from being decided.
ENDS = {"memory": r": taken: [0-9,]+ goroutines with", "proof": "can never be woken|not taken: "}


@pytest.mark.parametrize(("where", "kinds"), [("finding", ("memory", "proof")), ("process", ("memory",))])
def test_a_snapshot_is_taken_and_the_page_says_so_by_itself(
    chromium: Browser, site: Site, where: str, kinds: tuple[str, ...]
) -> None:
    with browser.page(chromium) as page:
        page.goto(site.finding)
        if where == "process":
            page.locator(".facts a").click()
            expect(page.get_by_role("heading", name="Sites")).to_be_visible()
        for kind in kinds:
            page.locator("select[name=kind]").select_option(kind)
            page.get_by_role("button", name="Take a snapshot").click()
            expect(page.locator("#take ~ ul li").first).to_contain_text(re.compile(ENDS[kind]), timeout=LONG_S * 1000)
            web_page.check(page)
        taken = {one["kind"]: one for one in asked(page.url.partition("#")[0])["asked"]}
        assert taken["memory"]["taken"]
        assert all(taken[kind]["ended_unix_nano"] for kind in kinds)


def test_the_page_of_a_finding_renews_itself_and_leaves_what_one_does_there_alone(
    chromium: Browser, site: Site
) -> None:
    with browser.page(chromium) as page:
        page.goto(site.finding)
        expect(page.locator(".chart canvas").first).to_be_visible()
        page.get_by_text("Numbers").first.click()
        page.get_by_text("Mute this finding").click()
        reason = page.get_by_label("Reason")
        reason.fill("half a rea")
        page.evaluate("window.drawn = document.querySelector('.chart canvas')")
        page.evaluate("window.scrollTo(0, 120)")
        for _ in range(2):
            before = str(page.locator(".facts").text_content())
            expect(page.locator(".facts")).not_to_have_text(before, timeout=LONG_S * 1000)
        expect(page.locator("details[open]")).to_have_count(2)
        expect(reason).to_have_value("half a rea")
        expect(reason).to_be_focused()
        assert page.evaluate("document.querySelector('.chart canvas') === window.drawn")
        assert page.evaluate("window.scrollY") == 120
        web_page.check(page)


def test_the_page_of_a_process_renews_itself(chromium: Browser, site: Site) -> None:
    with browser.page(chromium) as page:
        page.goto(site.finding)
        page.locator(".facts a").click()
        link = page.locator("#findings + table a")
        link.focus()
        before = str(page.locator(".facts").text_content())
        expect(page.locator(".facts")).not_to_have_text(before, timeout=LONG_S * 1000)
        expect(link).to_be_focused()
        web_page.check(page)


def test_all_that_a_page_of_a_finding_loads_is_small(chromium: Browser, site: Site) -> None:
    with browser.page(chromium) as page:
        sizes: dict[str, int] = {}
        page.on("response", lambda answer: sizes.__setitem__(answer.url, int(answer.headers.get("content-length", 0))))
        page.goto(site.finding)
        expect(page.locator(".chart canvas").first).to_be_visible()
        assert len(sizes) > 5
        assert sum(sizes.values()) < 250 << 10, sizes
