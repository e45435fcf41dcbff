"""The web page in a real browser, with a real agent beside a real leak."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests import browser, toolchains, web_page
from tests.agent_process import eventually
from tests.go_programs import GoProgram, build, site_line

#: For what takes scans of five seconds, on a machine under load.
LONG_S = 180.0
LEAK = "shop"
SECTIONS = (
    "What to do",
    "Live goroutines",
    "Created and exited per second",
    "Pauses of the process",
    "Heap of the process",
    "Witnesses",
    "Who can wake them",
    "What they wait for",
    "Oldest goroutines",
    "Stacks",
    "Commands",
)
NO_FINDING = "No finding that these filters let through."


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, ebpf: None) -> Iterator[str]:  # noqa: ARG001
    """Of the page of a collector and an agent that watch the leaking program, once that starts."""
    config = "redact_paths = true\n"  # pictures name no folder of whoever makes them
    with web_page.watching(tmp_path_factory.mktemp("web"), build(LEAK), LONG_S, config) as found:
        yield found


@pytest.fixture(scope="module")
def leaking(address: str) -> Iterator[str]:
    """The address of the page of the leak's finding, once its cause and its ages are known."""

    def known() -> bool:
        found = asked(f"{address}/findings")["findings"]
        if not found:
            return False
        explained = asked(f"{address}/findings/{found[0]['id']}")
        return bool(explained["ages"] and explained["stacks"])

    with GoProgram(build(LEAK), "100ms"):
        eventually(known, LONG_S)
        yield f"{address}/findings/{asked(f'{address}/findings')['findings'][0]['id']}"


def asked(address: str) -> Any:
    with urllib.request.urlopen(f"{address}?format=json", timeout=60) as answer:  # noqa: S310 - http
        return json.load(answer)


def test_a_list_that_is_open_shows_a_new_finding_and_its_growth_by_itself(chromium: Browser, address: str) -> None:
    with browser.page(chromium) as page:
        page.goto(f"{address}/findings")
        expect(page.get_by_text(NO_FINDING)).to_be_visible()
        web_page.check(page)
        with GoProgram(build(LEAK), "100ms"):
            link = page.locator("#live tbody a").first
            expect(link).to_be_visible(timeout=LONG_S * 1000)
            assert f":{site_line(LEAK, 'ask')}" in str(page.locator("#live tbody th").first.text_content())
            link.focus()
            figure = page.locator("#live tbody td[data-is=Live]").first
            before = str(figure.text_content())
            expect(figure).not_to_have_text(before, timeout=LONG_S * 1000)
            # Whoever uses the keyboard is where he was.
            assert page.evaluate("document.activeElement.getAttribute('href')") == link.get_attribute("href")
        eventually(lambda: not asked(f"{address}/findings")["findings"], LONG_S)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [browser.WIDE, browser.NARROW], ids=["wide", "narrow"])
def test_pages_hinder_nobody(chromium: Browser, leaking: str, size: tuple[int, int], dark: bool) -> None:
    with browser.page(chromium, size, dark=dark) as page:
        page.goto(leaking.rpartition("/")[0])
        expect(page.locator("#live tbody tr")).to_have_count(1)
        web_page.check(page)
        page.goto(leaking)
        expect(page.locator("#chart canvas")).to_be_visible()
        web_page.check(page)
        page.goto(f"{leaking.partition('/findings')[0]}/fleet")
        expect(page.get_by_role("heading", name="Processes")).to_be_visible()
        service = page.get_by_role("link", name=build(LEAK).name)
        expect(service).to_be_visible()
        web_page.check(page)
        service.click()
        site = page.locator("section[aria-labelledby=sites] tbody th").first
        expect(site).to_contain_text(f":{site_line(LEAK, 'ask')}")
        web_page.check(page)
        for numbers in page.locator("summary").all():
            numbers.click()
        web_page.check(page)
        page.locator(".spark").first.click()
        expect(page.locator("svg.line path")).to_be_visible()
        web_page.check(page)


def is_rich(explained: Any) -> bool:
    """Whether there is something to be seen in each part of the page of a finding."""
    window = explained["window"]
    is_judged = window["from_unix_nano"] < window["until_unix_nano"]
    return is_judged and any(point["heap_marked_bytes"] for point in explained["points"])


def test_pictures_of_pages_can_be_made(chromium: Browser, leaking: str, tmp_path: Path) -> None:
    if web_page.PICTURES:
        eventually(lambda: is_rich(asked(leaking)), LONG_S)
    with browser.page(chromium) as page:
        page.goto(leaking.rpartition("/")[0])
        expect(page.locator("#live tbody tr")).to_have_count(1)
        web_page.keep_picture(page, tmp_path, "findings")
        page.goto(leaking)
        expect(page.locator("#chart canvas")).to_be_visible()
        expect(page.frame_locator("iframe.flames").locator(".call").first).to_be_visible()
        kept = web_page.keep_picture(page, tmp_path, "finding")
    assert kept.read_bytes().startswith(b"\x89PNG")


def test_a_process_shows_its_last_hour_in_pictures_and_in_numbers(
    chromium: Browser, leaking: str, tmp_path: Path
) -> None:
    with browser.page(chromium) as page:
        page.goto(leaking)
        page.locator(".facts a").click()
        where = page.url

        def known() -> Any:
            time.sleep(0.5)  # one address may not ask more often for long
            with urllib.request.urlopen(f"{where}&format=json", timeout=60) as answer:  # noqa: S310 - http
                return json.load(answer)

        eventually(lambda: known()["pause_counts"] and len(known()["heap_points"]) > 2, LONG_S)
        page.reload()
        (leak,) = (site for site in known()["sites"] if site["line"] == site_line(LEAK, "ask"))
        assert leak["live_then"] == sorted(leak["live_then"])
        assert leak["live_then"][-1] > leak["live_then"][0]
        expect(page.locator(".spark path").first).to_be_visible()
        expect(page.locator("#costs ~ .bands rect").first).to_be_visible()
        expect(page.locator("#pauses ~ .bands rect").first).to_be_visible()
        expect(page.locator("#pauses ~ svg.line path")).to_have_count(3)
        kept = web_page.keep_picture(page, tmp_path, "process")
    assert kept.read_bytes().startswith(b"\x89PNG")


def test_a_finding_shows_what_its_document_says(chromium: Browser, leaking: str) -> None:
    with browser.page(chromium) as page:
        page.goto(leaking)
        known = asked(leaking)
        assert known["proof"]["proved"] >= 3
        expect(page.locator("#witnesses + table tbody tr")).to_have_count(
            len(known["finding"]["witnesses"]) + len(known["gc_signs"])
        )
        expect(page.get_by_text(known["finding"]["remedy"])).to_be_visible()
        for section in SECTIONS:
            expect(page.get_by_role("heading", name=section)).to_be_visible()


def test_the_goroutines_of_a_finding_open_in_go_tool_pprof(chromium: Browser, leaking: str, tmp_path: Path) -> None:
    with browser.page(chromium) as page:
        page.goto(leaking)
        with page.expect_download() as download:
            page.get_by_role("link", name="Its goroutines for go tool pprof").click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
    assert file.name == f"finding-{leaking.rpartition('/')[2]}.pb.gz"
    command = [str(toolchains.go()), "tool", "pprof", "-top", "-cum", str(file)]
    top = subprocess.run(command, capture_output=True, text=True, check=True, env=toolchains.environment()).stdout
    assert "Type: goroutine" in top
    assert "main.ask.func1" in top


def test_the_oldest_goroutines_stand_with_the_snapshot_that_shows_them(chromium: Browser, leaking: str) -> None:
    with browser.page(chromium) as page:
        page.goto(leaking)
        page.get_by_text("One by one").click()
        rows = page.locator("section[aria-labelledby=goroutines] tbody tr")
        expect(rows.first).to_contain_text("chan send")
        goids = [
            int(str(text)) for text in page.locator("section[aria-labelledby=goroutines] tbody th").all_inner_texts()
        ]
        assert goids == sorted(goids)


def test_the_flame_graph_in_the_page_can_be_searched(chromium: Browser, leaking: str) -> None:
    with browser.page(chromium) as page:
        page.goto(leaking)
        flames = page.frame_locator("iframe.flames")
        expect(flames.locator(".call").first).to_be_visible()
        flames.locator("#search").fill("main.")
        expect(flames.locator(".call.found").first).to_be_visible()


def test_what_one_looks_at_in_a_flame_graph_stays_when_its_stacks_change(chromium: Browser, leaking: str) -> None:
    with browser.page(chromium) as page:
        page.goto(leaking)
        flames = page.frame_locator("iframe.flames")
        inner = flames.locator('.call[data-depth="2"]').first
        inner.click()
        whole = width_of(flames.locator('.call[data-depth="0"]'))
        flames.locator("#search").fill("main.")
        flames.locator("#calls").evaluate("window.isFormer = true")
        with page.expect_event("framenavigated"):
            flames.locator("#calls").evaluate("location.reload()")
        page.frames[1].wait_for_function("!window.isFormer && document.getElementById('says')")
        expect(flames.locator("#says")).to_contain_text("are in what was found")
        assert flames.locator("#search").evaluate("box => box.value") == "main."
        assert width_of(inner) == pytest.approx(whole, rel=0.01)
        web_page.check(page)


def width_of(call: Locator) -> float:
    return float(str(call.locator("rect").get_attribute("width")))


def test_the_keyboard_alone_leads_from_the_list_to_a_finding(chromium: Browser, leaking: str) -> None:
    with browser.page(chromium) as page:
        page.goto(leaking.rpartition("/")[0])
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.closest('#live') !== null"):
                break
        page.keyboard.press("Enter")
        page.wait_for_url(leaking)
