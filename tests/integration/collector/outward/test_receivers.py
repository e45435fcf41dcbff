"""A collector tells each receiver by itself, follows its configuration, and does not start with a wrong one."""

import json
import signal
import socket
import subprocess
from pathlib import Path

from tests.agent_process import eventually, free_port
from tests.collector_process import (
    GOSONDE,
    PATIENCE_S,
    AgentStream,
    CollectorProcess,
    leak,
    metric,
)
from tests.http_receiver import Receiver


def configure(folder: Path, *lines: str) -> None:
    (folder / "collector.toml").write_text("\n".join((*lines, "")))


def audit(address: str) -> list[str]:
    """What reloads said, the newest first."""
    command: list[str | Path] = [GOSONDE, "audit", "--collector", address, "--json"]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return [row["detail"] for row in rows if "reload" in row["act"]]


def test_a_receiver_that_never_answers_holds_up_nobody_and_a_reload_replaces_it(tmp_path: Path) -> None:
    http = f'http = "127.0.0.1:{free_port()}"'
    address = http.split('"')[1]
    with socket.create_server(("127.0.0.1", 0)) as silent, Receiver() as alerts, Receiver() as webhook:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}"
        configure(tmp_path, http, f'alerts_to = ["{alerts.url}/am"]', f'webhook_to = "{place}/secret"')
        with CollectorProcess(tmp_path, "--config", str(tmp_path / "collector.toml")) as collector:
            with AgentStream(collector.address) as stream:
                for number, seen in enumerate(leak(120, 5), 1):
                    stream.observe(number, seen)
            posted = alerts.waits_for(lambda request: bool(request.document))
            (alert,) = posted.document
            assert posted.path == "/am/api/v2/alerts"
            assert alert["labels"]["function"] == "main.site_42"
            silent_one, other = {"kind": "webhook", "to": place}, {"kind": "alertmanager", "to": alerts.url}
            of = "gosonde_collector_outward"
            eventually(lambda: metric(address, f"{of}_sent_total", other) >= 1, PATIENCE_S)
            eventually(
                lambda: metric(address, f"{of}_failures_total", {**silent_one, "reason": "timeout"}) >= 1, PATIENCE_S
            )
            assert metric(address, f"{of}_waiting", silent_one) == 1
            configure(tmp_path, http, f'alerts_to = ["{alerts.url}/am"]', f'webhook_to = "{webhook.url}"')
            collector.process.send_signal(signal.SIGHUP)
            told = webhook.waits_for(lambda request: request.document["status"] == "firing")
            assert told.document["labels"] == alert["labels"]
            configure(tmp_path, http, f'webhook_to = "{webhook.url}"', 'webhook_template = "/nowhere/body"')
            collector.process.send_signal(signal.SIGHUP)
            eventually(lambda: len(audit(collector.address)) == 2, PATIENCE_S)
            refused, changed = audit(collector.address)
            assert refused == "webhook_template: /nowhere/body cannot be read: No such file or directory"
            assert changed == "changed: webhook_to"
            assert collector.stop(signal.SIGTERM) == 0
        assert "secret" not in collector.log.read_text()


def test_a_collector_does_not_start_with_a_file_that_it_cannot_use(tmp_path: Path) -> None:
    configure(tmp_path, 'webhook_to = "https://127.0.0.1:1"', f'outward_ca = "{tmp_path}/none.pem"')
    command: list[str | Path] = [
        GOSONDE,
        "collector",
        "--config",
        tmp_path / "collector.toml",
        "--data",
        tmp_path / "data",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 2
    assert f"outward_ca: {tmp_path}/none.pem has no certificates that can be read" in done.stderr
