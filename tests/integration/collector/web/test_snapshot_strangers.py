"""Snapshots of what strangers name, in a real browser: names are text, in pages and in flame graphs."""

import io
import time
from collections.abc import Iterator

import pytest
from gosonde_common.values.goroutines import Goroutine, Location
from gosonde_common.wire.profile import encode_profile
from playwright.sync_api import Browser, expect

from tests import browser, web_page
from tests.hostile_text import SENDABLE, unshown
from tests.integration.collector.web import strangers
from tests.integration.collector.web.strangers import MARKUP
from tests.integration.whole.foreign_processes import HOST

NAME = MARKUP + SENDABLE
#: The process of `leak`.
PID = 4711


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the page of a collector that has two snapshots of a process."""
    with strangers.leaking(tmp_path_factory.mktemp("web")) as (address, client):
        for count in (3, 9):
            client.push_snapshot(io.BytesIO(profile(count)), HOST, PID)
        yield address


def profile(count: int) -> bytes:
    """Of so many goroutines, each with two calls that strangers have named, by a statement in a file of theirs."""
    place, made = Location(NAME, f"/src/{NAME}", 3), Location("main.main", f"/src/{NAME}", 3)
    found = [
        Goroutine(
            goid, "waiting", NAME, None, made, NAME, 1, 0, locked=False, system=False, active=False, complete=True,
            stack=(place, Location(f"{NAME}2", NAME, 4)),
        )
        for goid in range(1, count + 1)
    ]  # fmt: skip
    return encode_profile(found, time.time_ns())


@pytest.mark.parametrize("size", [browser.WIDE, browser.NARROW], ids=["wide", "narrow"])
def test_names_of_strangers_are_text_in_snapshots(chromium: Browser, address: str, size: tuple[int, int]) -> None:
    with browser.page(chromium, size) as page:
        page.goto(f"{address}/findings?state=all")
        page.locator("#live tbody a").first.click()
        page.locator(".facts a").click()
        for button in ("Compare", "Filter"):
            page.get_by_role("button", name=button).click()
            expect(page.locator("h1")).to_contain_text("What changed")
            expect(page.locator("#sites + table")).to_contain_text("<script>")
            flames = page.frame_locator("iframe.flames")
            expect(flames.locator(".call")).to_have_count(3)
            expect(flames.locator(".call title").nth(1)).to_contain_text("<script>")
            expect(flames.locator(".call title").nth(1)).to_contain_text("9 goroutines, 3 before (+6)")
            assert flames.locator("script, img").count() == 1
            for summary in page.locator("summary").all():
                summary.click()
            assert unshown(page.locator("main").inner_text().replace("\n", "").replace("\t", "")) == []
            assert "owned" not in page.title().partition("<")[0]
            assert page.locator("img").count() == 0
            web_page.check(page)
