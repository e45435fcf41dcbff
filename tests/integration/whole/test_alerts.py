"""A real leak becomes an alert of a real Alertmanager and a signed message over HTTPS, and is over when it is."""

import hashlib
import hmac
import shutil
import signal
from pathlib import Path

import pytest
from gosonde import CollectorClient
from gosonde.collector_client import Finding

from tests import alertmanager
from tests.agent_process import AgentProcess, eventually
from tests.certificates import Authority
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build, site_line
from tests.http_receiver import Receiver, Request
from tests.integration.collector.snapshots.test_snapshot_requests import host_of
from tests.web_page import configured

SECRET = b"a secret of the webhook"
#: For what takes scans of five seconds, on a machine under load.
LONG_S = 180.0


def leak_of(client: CollectorClient, pid: int) -> Finding | None:
    line = site_line("endpoints", "fetch")
    return next((one for one in client.findings() if one.process.pid == pid and one.site.line == line), None)


def is_signed(request: Request) -> bool:
    time, _, digest = request.headers["X-Gosonde-Signature"].removeprefix("t=").partition(",v1=")
    return hmac.compare_digest(digest, hmac.new(SECRET, f"{time}.".encode() + request.body, hashlib.sha256).hexdigest())


@pytest.mark.usefixtures("ebpf")
def test_a_leak_becomes_an_alert_that_ends_with_its_process_though_the_collector_was_down(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    program = Path(shutil.copy(build("endpoints", "1.27.3"), tmp_path / "shop"))
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    (tmp_path / "agent.toml").write_text("")
    with (
        Receiver(authority.issue("collector")) as webhook,
        Receiver() as notified,
        alertmanager.running(tmp_path / "alertmanager", notified.url) as alerts,
        GoProgram(program) as leaking,
    ):
        _, flags = configured(
            tmp_path,
            f'alerts_to = ["{alerts.url}"]',
            f'webhook_to = "{webhook.url}/hook"',
            f'webhook_secret = "{tmp_path}/secret"',
            f'outward_ca = "{authority.cert}"',
            'public_url = "https://gosonde.example/leaks/"',
        )
        assert "error" not in leaking.ask("ask /export?forget=1 10")
        with CollectorProcess(tmp_path, *map(str, flags)) as collector:
            agent = AgentProcess(tmp_path, collector.address, str(program))
            with CollectorClient(collector.address) as client:
                host = host_of(client, leaking.pid)
                assert client.prove(host, leaking.pid).outcome.proved >= 10
                eventually(lambda: leak_of(client, leaking.pid) is not None, LONG_S)
                finding = leak_of(client, leaking.pid)
            assert finding is not None
            url = f"https://gosonde.example/leaks/findings/{finding.id}"
            (alert,) = alerts.waits_for(lambda found: [one["labels"]["finding"] for one in found] == [finding.id])
            assert (
                alert["labels"].items()
                >= {
                    "alertname": "GoGoroutinesLeak",
                    "host": host,
                    "service": "shop",
                    "function": finding.site.function,
                }.items()
            )
            assert alert["annotations"]["exe"] == str(program)
            assert alert["annotations"]["pid"] == str(leaking.pid)
            assert alert["annotations"]["location"].endswith(f"main.go:{finding.site.line}")
            assert alert["generatorURL"] == url
            begun = webhook.waits_for(lambda request: request.document["finding"] == finding.id)
            assert is_signed(begun)
            assert (begun.path, begun.document["status"], begun.document["url"]) == ("/hook", "firing", url)
            collector.stop(signal.SIGKILL)
        leaking.kill()
        sent = len(webhook.requests)
        with CollectorProcess(tmp_path, *map(str, flags)):
            alerts.waits_for(lambda found: not found)
            over = webhook.waits_for(lambda request: request.document["status"] == "resolved")
            assert (over.document["finding"], over.document["state"]) == (finding.id, "resolved")
            assert [r.document["status"] for r in webhook.requests[sent:]] == ["resolved"]
        agent.kill()
        notified.waits_for(lambda request: request.document["status"] == "resolved")
