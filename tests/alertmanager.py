"""A real Alertmanager, which tells a receiver of its own at once."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import real_binaries
from tests.http_receiver import PATIENCE_S

CONFIG = """
route: {receiver: test, group_by: ["..."], group_wait: 0s, group_interval: 1s}
receivers: [{name: test, webhook_configs: [{url: "%s", send_resolved: true}]}]
"""
#: Lets it find its templates where it looks for them, below /usr/share, which nobody else sees so.
IN_PLACE = 'mount -t overlay overlay -o "lowerdir=$0:/usr/share" /usr/share && exec "$@"'


class Alertmanager:
    """Asks one that runs."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def alerts(self) -> list[dict[str, Any]]:
        """Those that are active."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=60) as answer:  # noqa: S310
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def waits_for(self, is_it: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Its active alerts, once they are what is waited for."""
        end = time.monotonic() + PATIENCE_S
        while not is_it(found := self.alerts()):
            assert time.monotonic() < end, found
            time.sleep(0.2)
        return found


@contextmanager
def running(folder: Path, tells: str, port: int = 0) -> Iterator[Alertmanager]:
    """One that posts what it is told to the URL `tells`; it keeps nothing that is in no `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "alertmanager.yml").write_text(CONFIG % tells)
    port = port or real_binaries.free_port()
    share = real_binaries.alertmanager().parents[1] / "share"
    command = [
        *("unshare", "--mount", "--propagation=private", "sh", "-c", IN_PLACE, str(share)),
        str(real_binaries.alertmanager()),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'state'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with real_binaries.running(command, port, folder):
        yield Alertmanager(port)
