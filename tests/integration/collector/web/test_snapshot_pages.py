"""Snapshots of a real leaking program in a real browser: one, what changed between two, and their flame graphs."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gosonde.collector_client import CollectorClient
from playwright.sync_api import Browser, Page, expect

from tests import browser, web_page
from tests.agent_process import AgentProcess, delivers_its_own, eventually
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build

#: For what takes scans of five seconds, on a machine under load.
LONG_S = 180.0
LEAK = "leaky/channel_send"
#: Goroutines that come between the two snapshots, at least.
CAME = 20


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, ebpf: None) -> Iterator[str]:  # noqa: ARG001
    """The address of the page of a leaking program with two snapshots from its memory."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "agent.toml").write_text("redact_paths = true\n")  # pictures name no folder of whoever makes them
    address, flags = web_page.configured(folder, "snapshots_on_suspicion = false", "finding_snapshot_seconds = 0")
    with CollectorProcess(folder, *map(str, flags)) as collector, collector.client() as client:
        agent = AgentProcess(folder, collector.address, str(build(LEAK)))
        try:
            web_page.wait_for(address)
            eventually(lambda: delivers_its_own(agent.listen), LONG_S)
            with GoProgram(build(LEAK), "20ms") as program:
                found = two_snapshots(client, program.pid)
                yield f"{address}/processes/{found}/{program.pid}"
        finally:
            agent.kill()


def two_snapshots(client: CollectorClient, pid: int) -> str:
    """The host of the process, of which there are two snapshots then."""

    def its() -> list[Any]:
        return [known for known in client.processes() if known.pid == pid]

    eventually(lambda: bool(its()), LONG_S)
    host = str(its()[0].host)
    first = client.take_snapshot(host, pid, "memory")
    eventually(lambda: its()[0].live >= first.goroutines + CAME, LONG_S)
    client.take_snapshot(host, pid, "memory")
    return host


def asked(address: str) -> Any:
    joined = "&" if "?" in address else "?"
    with urllib.request.urlopen(f"{address}{joined}format=json", timeout=60) as answer:  # noqa: S310 - http
        return json.load(answer)


def compared(page: Page, process: str) -> None:
    """From the page of the process to what changed."""
    page.goto(process)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("h1")).to_contain_text("What changed")
    expect(page.frame_locator("iframe.flames").locator(".call").first).to_be_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [browser.WIDE, browser.NARROW], ids=["wide", "narrow"])
def test_pages_of_snapshots_hinder_nobody(chromium: Browser, process: str, size: tuple[int, int], dark: bool) -> None:
    with browser.page(chromium, size, dark=dark) as page:
        page.goto(f"{process}/snapshots")
        expect(page.locator("tbody tr")).to_have_count(2)
        web_page.check(page)
        page.locator("tbody th a").first.click()
        expect(page.frame_locator("iframe.flames").locator(".call").first).to_be_visible()
        web_page.check(page)
        compared(page, process)
        web_page.check(page)


def test_what_changed_is_what_the_leak_has_done(chromium: Browser, process: str) -> None:
    later, earlier = asked(f"{process}/snapshots")["snapshots"]
    known = asked(f"{process}/snapshots?from={earlier['id']}&id={later['id']}")
    assert known["is_by_identity"]
    leak = known["sites"][0]
    assert leak["came"] >= CAME
    assert leak["after"] == leak["stayed"] + leak["came"]
    assert known["total"]["after"] == later["goroutines"]
    with browser.page(chromium) as page:
        compared(page, process)
        assert f"{leak['came']:,}" in str(page.locator("#sites + table td[data-is=Came]").first.text_content())
        flames = page.frame_locator("iframe.flames")
        flames.locator("#search").fill(known["stacks"][0]["stack"][-1]["function"])
        expect(flames.locator(".call.found").first).to_be_visible()
        assert f"(+{known['total']['came'] - known['total']['went']:,})" in str(
            flames.locator('.call[data-depth="0"] title').text_content()
        )
        expect(flames.locator("#says")).to_contain_text("before (+")


def test_the_keyboard_alone_compares_two_snapshots_and_walks_through_the_flame_graph(
    chromium: Browser, process: str
) -> None:
    with browser.page(chromium) as page:
        page.goto(f"{process}/snapshots")
        page.get_by_label("From").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_contain_text("What changed")
        flames = page.frame_locator("iframe.flames")
        flames.locator('.call[data-depth="0"]').focus()
        page.keyboard.press("ArrowDown")
        expect(flames.locator("#says")).to_contain_text("before (")


def test_a_snapshot_is_coloured_and_filtered_as_one_chooses(chromium: Browser, process: str) -> None:
    with browser.page(chromium) as page:
        page.goto(f"{process}/snapshots")
        page.locator("tbody th a").first.click()
        page.get_by_label("Colours").select_option("age")
        page.get_by_role("searchbox", name="State", exact=True).fill("chan send")
        page.get_by_role("button", name="Filter").click()
        page.wait_for_url("**state=chan+send**")
        expect(page.get_by_text("coloured by age")).to_be_visible()
        flames = page.frame_locator("iframe.flames")
        expect(flames.locator(".call").first).to_be_visible()
        states = page.locator("#groups + table td[data-is=State]").all_text_contents()
        assert states
        assert set(states) == {"chan send"}
        paper = flames.locator("#paper")
        light = paper.evaluate("paper => getComputedStyle(paper).fill")
        page.emulate_media(color_scheme="dark")
        assert paper.evaluate("paper => getComputedStyle(paper).fill") != light


def test_a_picture_of_what_changed_can_be_made(chromium: Browser, process: str, tmp_path: Path) -> None:
    with browser.page(chromium) as page:
        compared(page, process)
        kept = web_page.keep_picture(page, tmp_path, "snapshots")
    assert kept.read_bytes().startswith(b"\x89PNG")
