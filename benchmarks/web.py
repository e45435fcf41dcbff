"""What the web page takes: the page of a large process, the first view of each page, and many open pages."""

import gzip
import http.client
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from gosonde_collector.web.process_page import VIEW_S
from playwright.sync_api import Browser

from benchmarks.effort import Effort
from benchmarks.footprint import cpu_seconds
from benchmarks.results import Row
from benchmarks.web_store import SITES, fill, sending
from tests import browser, web_page
from tests.agent_process import eventually
from tests.collector_process import CollectorProcess
from tests.unit.collector.batches import KEY, STREAM

PROCESS: Final = f"/processes/{STREAM.host}/{KEY.pid}"
#: How many of the sites change each second.
CHANGING: Final = (SITES // 10, SITES)
OPEN_PAGES: Final = 50
#: Until the hour has been analysed, also by a busy machine.
PATIENCE_SECONDS: Final = 300.0
BYTES: Final = """
() => performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))
    .reduce((sum, one) => sum + one.transferSize, 0)
"""
LOADED: Final = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


def web(effort: Effort) -> Iterator[Row]:
    """Of a collector with an hour of a process of 2,000 sites, that changes each second while pages are open."""
    for changing in CHANGING:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gosonde-bench.")))
            busy = fill(folder / "data", changing)
            address, flags = web_page.configured(folder)
            collector = stack.enter_context(CollectorProcess(folder, *map(str, flags)))
            web_page.wait_for(address)
            host, pid = address.rpartition("/")[2], collector.process.pid
            stack.enter_context(sending(busy, collector.address))
            finding = _first_finding(collector)  # by then the hour has been analysed
            case = f"{changing:,} of {SITES:,} sites change each second"
            yield from _served(host, pid, case, effort.rounds)
            if changing == CHANGING[0]:
                pages = {"findings": "/findings", "finding": finding, "fleet": "/fleet", "process": PROCESS}
                started = stack.enter_context(browser.browser())
                yield from _viewed(started, address, pages, effort.rounds)
                yield _held_open(host, pid, list(pages.values()), effort)


def _served(host: str, pid: int, case: str, times: int) -> Iterator[Row]:
    """From the question for the process to the end of the answer; of CPU time, what comes to what is taken anyway."""
    took, of_cpu = [], []
    for _ in range(times):
        anyway = _share(pid, VIEW_S) / 100
        began, cpu = time.perf_counter(), cpu_seconds(pid)
        size = len(_asked(host, PROCESS))
        seconds = time.perf_counter() - began
        took.append(1e3 * seconds)
        of_cpu.append(1e3 * (cpu_seconds(pid) - cpu - anyway * seconds))
    yield Row("web", f"page of a process, {case}", "ms", tuple(took))
    yield Row("web", f"page of a process, {case}", "ms of CPU", tuple(of_cpu))
    yield Row("web", f"page of a process, {case}", "kB", (size / 1e3,))


def _asked(host: str, path: str) -> bytes:
    """The answer as it was sent."""
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, (path, answer.status)
    return body


def _first_finding(collector: CollectorProcess) -> str:
    """The address of its page, once the leak is found."""
    with collector.client() as client:
        eventually(lambda: bool(client.findings()), PATIENCE_SECONDS)
        return f"/findings/{client.findings()[0].id}"


def _viewed(started: Browser, address: str, pages: dict[str, str], times: int) -> Iterator[Row]:
    """With an empty cache each time, until all is loaded."""
    for name, path in pages.items():
        took = []
        for _ in range(times):
            with browser.page(started) as page:
                page.goto(f"{address}{path}", wait_until="load")
                page.wait_for_function(f"({LOADED})() > 0")
                took.append(float(page.evaluate(LOADED)))
                size = float(page.evaluate(BYTES))
        yield Row("web", f"first view of {name}", "ms", tuple(took))
        yield Row("web", f"first view of {name}", "kB", (size / 1e3,))


def _held_open(host: str, pid: int, paths: list[str], effort: Effort) -> Row:
    """Pages of all kinds, each of which is fetched again when it is told to; compared with none, in turn."""
    added = []
    for _ in range(1 + effort.rounds // 3):
        without = _share(pid, effort.seconds)
        with _open_pages(host, paths):
            added.append(_share(pid, effort.seconds) - without)
    return Row("web", f"{OPEN_PAGES} open pages", "% of a core", tuple(added), compared=True)


def _share(pid: int, seconds: float) -> float:
    began, cpu = time.monotonic(), cpu_seconds(pid)
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - cpu) / (time.monotonic() - began)


@contextmanager
def _open_pages(host: str, paths: list[str]) -> Iterator[None]:
    """Open, and as fresh as they get, when the body begins."""
    over, opened = threading.Event(), threading.Barrier(OPEN_PAGES + 1)
    pages = [
        threading.Thread(target=_open, args=(host, paths[number % len(paths)], opened, over))
        for number in range(OPEN_PAGES)
    ]
    for page in pages:
        page.start()
    opened.wait()
    try:
        yield
    finally:
        over.set()
        for page in pages:
            page.join()


def _open(host: str, path: str, opened: threading.Barrier, over: threading.Event) -> None:
    """As static/live.js: a page that says where its changes are told is fetched again at each of them."""
    told = re.search(r'data-changes="([^"]+)"', gzip.decompress(_asked(host, path)).decode())
    if told is None:
        opened.wait()
        return
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("GET", told[1].replace("&amp;", "&"))
    answer, is_open = connection.getresponse(), False
    while not over.is_set():
        if answer.readline().startswith(b"event: change"):
            if is_open:
                _asked(host, path)
            else:
                opened.wait()
            is_open = True
    connection.close()
