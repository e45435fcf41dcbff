"""The page in a real browser, of what strangers name: names are text, the chart is drawn, and one signs in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde_collector.model.tokens import digest_of
from playwright.sync_api import Browser, expect

from tests import browser, web_page
from tests.agent_process import eventually as becomes_true
from tests.collector_process import CollectorProcess
from tests.hostile_text import unshown
from tests.integration.collector.web import strangers

SHOWN = "for the eyes of tests"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with strangers.leaking(tmp_path_factory.mktemp("web")) as (address, _client):
        yield address


@pytest.mark.parametrize("size", [browser.WIDE, browser.NARROW], ids=["wide", "narrow"])
def test_names_of_strangers_are_text_and_break_no_page(chromium: Browser, address: str, size: tuple[int, int]) -> None:
    with browser.page(chromium, size) as page:
        page.goto(f"{address}/findings?state=all")
        link = page.locator("#live tbody a").first
        assert "<script>" in str(link.text_content())
        web_page.check(page)
        link.click()
        expect(page.locator("h1")).to_contain_text("<script>")
        assert unshown(page.locator("main").inner_text().replace("\n", "").replace("\t", "")) == []
        assert "owned" not in page.title().partition("<")[0]
        assert page.locator("img").count() == 0
        web_page.check(page)
        page.locator(".facts a").click()
        page.locator(".spark").first.click()
        expect(page.locator("h1")).to_contain_text("<script>")
        web_page.check(page)
        page.go_back()
        for title in ("Fleet", "Findings"):
            expect(page.get_by_text("<script>").first).to_be_visible()
            assert unshown(page.locator("main").inner_text().replace("\n", "").replace("\t", "")) == []
            assert "owned" not in page.title().partition("<")[0]
            web_page.check(page)
            page.get_by_label("Pages").get_by_role("link", name=title).click()


def test_one_signs_in_looks_and_signs_out(chromium: Browser, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"read {digest_of(SHOWN)}\n")
    address, flags = web_page.configured(tmp_path, f'tokens = "{tokens}"')
    with CollectorProcess(tmp_path, *map(str, flags)), browser.page(chromium, expected="403") as page:
        web_page.wait_for(address)
        page.goto(f"{address}/findings?state=all")
        web_page.check(page)
        page.get_by_label("Token").fill("wrong")
        with page.expect_response("**/sign-in") as refused:
            page.get_by_role("button", name="Sign in").click()
        assert refused.value.status == 403
        expect(page.get_by_role("alert")).to_contain_text("not known")
        page.get_by_label("Token").fill(SHOWN)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/findings?state=all")
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in")
        page.goto(f"{address}/findings")
        page.wait_for_url("**/sign-in**")


def test_the_chart_has_the_line_and_the_window_that_was_judged(chromium: Browser, address: str) -> None:
    count = (
        "(shade) => { const c = document.querySelector('#chart canvas'); const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; let n = 0; for (let i = 0; i < d.length; i += 4)"
        " n += d[i] === shade[0] && d[i + 1] === shade[1] && d[i + 2] === shade[2]; return n }"
    )
    with browser.page(chromium, expected="willReadFrequently") as page:  # of reading the canvas here
        page.goto(f"{address}/findings?state=all")
        page.locator("#live tbody a").first.click()
        expect(page.locator("#chart canvas")).to_be_visible()
        becomes_true(lambda: page.evaluate(count, [0xA4, 0x0E, 0x26]) > 100)
        assert page.evaluate(count, [0xDB, 0xE7, 0xF5]) > 100
        page.set_viewport_size({"width": browser.NARROW[0], "height": browser.NARROW[1]})
        becomes_true(lambda: page.evaluate(count, [0xA4, 0x0E, 0x26]) > 100)
        assert not browser.is_wider_than_its_window(page)


def test_a_cursor_in_one_chart_shows_the_numbers_of_its_moment_in_all(chromium: Browser, address: str) -> None:
    with browser.page(chromium) as page:
        page.goto(f"{address}/findings?state=all")
        page.locator("#live tbody a").first.click()
        page.locator("#chart .u-over").hover()
        expect(page.locator("#chart-rates .u-value").nth(1)).to_have_text("50 per second")
        expect(page.locator("#chart-rates .u-value").nth(2)).to_have_text("0 per second")
        assert page.locator("#chart .u-value").first.text_content() == (
            page.locator("#chart-rates .u-value").first.text_content()
        )
