"""The flame graph of a real leaking program in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde_common.flames.svg import ROW
from playwright.sync_api import Browser, Page

from tests import browser
from tests.go_programs import GoProgram, build
from tests.integration.cli.test_goroutine_views import RECEIVERS, run

LEAKS = "main.idle"
ALL = "all goroutines"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a flame graph of a program that still runs."""
    target = tmp_path_factory.mktemp("flames") / "flames.svg"
    with GoProgram(build("parked"), str(RECEIVERS)) as program:
        run(program.pid, "--svg", target)
        yield target.as_uri()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.browser() as started:
        yield started


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with browser.page(chromium) as opened:
        yield opened


def width(page: Page, name: str) -> float:
    """Of a call as it is shown, in pixels of the screen."""
    box = page.locator(f'.call[data-name="{name}"] rect').first.bounding_box()
    return box["width"] if box else 0.0


def is_shown(page: Page, name: str) -> bool:
    return page.locator(f'.call[data-name="{name}"]').first.is_visible()


def test_what_is_searched_for_is_highlighted_and_its_share_said(page: Page, picture: str) -> None:
    page.goto(picture)
    page.keyboard.press("/")
    page.keyboard.type(LEAKS)
    found = page.locator(".call.found")
    names = [found.nth(at).get_attribute("data-name") for at in range(found.count())]
    assert names
    assert all(name and LEAKS in name for name in names)
    colours = found.locator("rect").evaluate_all("all => all.map(one => getComputedStyle(one).fill)")
    assert set(colours) == {"rgb(214, 140, 255)"}
    assert page.locator("#says").text_content() != ""
    assert f"{RECEIVERS} of " in str(page.locator("#says").text_content())
    page.keyboard.press("Escape")
    assert found.count() == 0


def test_a_click_makes_a_call_as_wide_as_the_picture_and_escape_shows_all_again(
    page: Page, picture: str, tmp_path: Path
) -> None:
    page.goto(picture)
    page.screenshot(path=tmp_path / "wide.png")
    before, whole = width(page, LEAKS), width(page, ALL)
    assert 0 < before < whole
    others = [
        str(one.get_attribute("data-name"))
        for one in page.locator('.call[data-depth="1"]').all()
        if one.get_attribute("data-name") != LEAKS
    ]
    assert others
    page.locator(f'.call[data-name="{LEAKS}"]').first.click()
    assert width(page, LEAKS) == pytest.approx(whole, rel=0.01)
    assert not any(is_shown(page, name) for name in others)
    page.keyboard.press("Escape")
    assert width(page, LEAKS) == pytest.approx(before, rel=0.01)
    assert all(is_shown(page, name) for name in others)


def test_keys_alone_go_to_a_call_and_zoom_into_it(page: Page, picture: str) -> None:
    page.goto(picture)
    page.keyboard.press("Tab")  # the search
    page.keyboard.press("Tab")  # all goroutines
    page.keyboard.press("ArrowDown")
    name = page.evaluate("document.activeElement.dataset.name")
    assert f"{name}: " in str(page.locator("#says").text_content())
    page.keyboard.press("Enter")
    assert width(page, name) == pytest.approx(width(page, ALL), rel=0.01)


def test_on_a_telephone_it_fits_and_a_touch_zooms(chromium: Browser, picture: str, tmp_path: Path) -> None:
    with browser.page(chromium, browser.NARROW) as page:
        page.goto(picture)
        page.screenshot(path=tmp_path / "narrow.png")
        assert not browser.is_wider_than_its_window(page)
        assert width(page, ALL) <= browser.NARROW[0]
        row = page.locator(".call rect").first.bounding_box()
        assert row
        assert row["height"] >= ROW - 1  # no smaller than on a laptop
        page.locator(f'.call[data-name="{LEAKS}"]').first.click()
        assert width(page, LEAKS) == pytest.approx(width(page, ALL), rel=0.01)
