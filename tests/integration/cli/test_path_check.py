"""`gosonde doctor --collector` says which step of the way to a collector fails."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from gosonde_common.addresses import ClientTls
from gosonde_common.channels import credentials

from tests.agent_process import free_port
from tests.certificates import Authority
from tests.collector_process import GOSONDE, CollectorProcess


def doctor(address: str, **environment: str) -> tuple[int, dict[str, str], list[dict[str, Any]]]:
    """Exit code, status by step, and the steps."""
    done = subprocess.run(
        [GOSONDE, "doctor", "--collector", address, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    checks = json.loads(done.stdout)["checks"]
    return done.returncode, {check["name"]: check["status"] for check in checks}, checks


def test_a_way_that_is_open_is_open_at_every_step(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector:
        code, steps, _ = doctor(collector.address)
    assert (code, steps) == (0, dict.fromkeys(("connection", "encryption", "ingest", "queries"), "ok"))


def test_the_step_that_fails_is_named_with_a_remedy(tmp_path: Path) -> None:
    port = free_port()
    code, steps, checks = doctor(f"127.0.0.1:{port}")
    assert (code, steps) == (1, {"connection": "missing"})
    assert "start" in checks[0]["remedy"]
    authority = Authority(tmp_path)
    own = authority.issue("collector")
    (tmp_path / "tokens").write_text("read " + "0" * 64 + "\n")
    (tmp_path / "c.toml").write_text(f'tls_cert = "{own.cert}"\ntls_key = "{own.key}"\ntokens = "{tmp_path}/tokens"\n')
    ready = credentials(ClientTls(authority.cert))
    with CollectorProcess(tmp_path, "--config", str(tmp_path / "c.toml"), listen=f"127.0.0.1:{port}", ready=ready):
        assert doctor(f"127.0.0.1:{port}")[1] == {"connection": "ok", "encryption": "missing"}
        code, steps, checks = doctor(f"127.0.0.1:{port}", GOSONDE_CA=str(authority.cert))
    assert steps == {"connection": "ok", "encryption": "ok", "ingest": "ok", "queries": "missing"}
    assert "GOSONDE_TOKEN" in checks[-1]["remedy"]
