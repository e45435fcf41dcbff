"""A real browser, Debian's chromium, and pages that may not complain."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.collector_process import PATIENCE_S

#: A laptop's window, and a telephone's.
WIDE = (1280, 800)
NARROW = (390, 844)
#: How long a page may take, in seconds.
PAGE_S = 120.0
PROGRAM = "chromium"


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without a window, for tests that run as root: without its sandbox."""
    program = shutil.which(PROGRAM)
    assert program, f"{PROGRAM} is not installed; `make setup` installs it"
    expect.set_options(timeout=PAGE_S * 1000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"], timeout=PATIENCE_S * 1000
        )
        yield started
        started.close()


@contextmanager
def page(
    started: Browser, size: tuple[int, int] = WIDE, *, dark: bool = False, expected: str = "nothing"
) -> Iterator[Page]:
    """A page in a context of its own; whatever it writes to the console or raises fails the test at the end.

    Args:
        expected: What has this in it is no complaint.
    """
    context = started.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
    )
    context.set_default_timeout(PAGE_S * 1000)
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        complaints.append(f"{message.type}: {message.text}")

    opened = context.new_page()
    opened.on("console", heard)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    wrong = [complaint for complaint in complaints if expected not in complaint]
    assert not wrong, wrong


def is_wider_than_its_window(opened: Page) -> bool:
    """Whether one would have to scroll sideways."""
    return bool(opened.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
