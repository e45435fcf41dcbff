"""A collector with a web page, and pages of it in a browser that nothing may be wrong with."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

from tests import browser, real_binaries
from tests.agent_process import AgentProcess, delivers_its_own, eventually, free_port
from tests.collector_process import PATIENCE_S, CollectorProcess
from tests.paths import ROOT

#: (npm package, its version) of the library that judges accessibility. It is used by tests alone.
AXE = ("axe-core", "4.14.1")
#: Set by `make pictures`: the documentation's pictures are written where they belong.
PICTURES = ROOT / "docs" / "pictures" if os.environ.get("GOSONDE_PICTURES") else None


def configured(folder: Path, *lines: str) -> tuple[str, list[str | Path]]:
    """(the page's address, flags of a collector that serves it); `lines` are further ones of its configuration."""
    address = f"127.0.0.1:{free_port()}"
    file = folder / "collector.toml"
    file.write_text("\n".join((f'web = "{address}"', *lines, "")))
    return f"http://{address}", ["--config", file]


@contextmanager
def watching(folder: Path, program: Path, within_s: float, agent_config: str = "") -> Iterator[str]:
    """The address of the page of a collector and of an agent that watches a program, once it delivers its own."""
    (folder / "agent.toml").write_text(agent_config)
    address, flags = configured(folder)
    with CollectorProcess(folder, *map(str, flags)) as collector:
        agent = AgentProcess(folder, collector.address, str(program))
        try:
            wait_for(address)
            eventually(lambda: delivers_its_own(agent.listen), within_s)
            yield address
        finally:
            agent.kill()


def wait_for(address: str) -> None:
    """Until the page answers: a collector serves it last of all."""
    host, _, port = address.rpartition("/")[2].rpartition(":")

    def answers() -> bool:
        try:
            socket.create_connection((host, int(port)), timeout=PATIENCE_S).close()
        except OSError:
            return False
        return True

    eventually(answers)


def hindrances(page: Page) -> list[str]:
    """What hinders people seriously, as axe finds it."""
    page.evaluate((real_binaries.npm(*AXE) / "axe.min.js").read_text())
    found = page.evaluate("axe.run(document, {iframes: false})")["violations"]
    return [
        f"{one['id']}: {node['target']}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


def check(page: Page) -> None:
    """Nobody is hindered, and the page fits into its window."""
    found = hindrances(page)
    assert not found, found
    assert not browser.is_wider_than_its_window(page)


def keep_picture(page: Page, folder: Path, name: str) -> Path:
    """Writes what the page shows to the folder, or to that of the documentation when its pictures are made."""
    path = (PICTURES or folder) / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    page.screenshot(path=path, full_page=True)
    return path
