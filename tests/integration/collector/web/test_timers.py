"""The page of a process shows as many pending timers as the program says it has made."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests import browser, web_page
from tests.agent_process import eventually
from tests.go_programs import GoProgram, build

PROGRAM, COUNT, LONG_S = "timed/callbacks", 40, 180.0


@pytest.fixture
def address(tmp_path_factory: pytest.TempPathFactory, ebpf: None) -> Iterator[str]:  # noqa: ARG001
    with web_page.watching(tmp_path_factory.mktemp("web"), build(PROGRAM), LONG_S) as found:
        yield found


def asked(address: str) -> Any:
    with urllib.request.urlopen(f"{address}?format=json", timeout=60) as answer:  # noqa: S310 - http
        return json.load(answer)


def test_the_page_shows_the_timers_that_the_program_counts(chromium: Browser, address: str) -> None:
    with GoProgram(build(PROGRAM), str(COUNT)) as program:

        def page_of_it() -> str:
            known = [one for one in asked(f"{address}/fleet")["processes"] if one["pid"] == program.pid]
            return f"{address}/processes/{known[0]['host']}/{program.pid}" if known else ""

        eventually(lambda: bool(page_of_it()), LONG_S)
        place = page_of_it()
        eventually(lambda: bool(asked(place)["timers"]), LONG_S)
        groups = {group["callback"]: group for group in asked(place)["timers"]["groups"]}
        assert groups["main.closure.func1"]["pending"] == program.ready["closures"]
        assert groups["main.remind"]["pending"] == program.ready["functions"]
        assert groups["main.remind"]["pending_then"][-1] == program.ready["functions"]
        with browser.page(chromium) as page:
            page.goto(place)
            row = page.locator("#timers ~ table tbody tr").filter(has_text="main.(*session).expire-fm")
            expect(row).to_contain_text(str(program.ready["methods"]))
            expect(row.locator(".spark path")).to_be_visible()
            web_page.check(page)
