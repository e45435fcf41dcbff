"""Each example in docs/library.md is a program that does what it says, beside a real agent, collector and leak."""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from gosonde_common.addresses import ClientTls
from gosonde_common.channels import credentials

from tests.agent_process import AgentProcess, eventually, free_port
from tests.certificates import Authority
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build, site_line
from tests.unit.client.examples import EXAMPLES

#: What the example shows to a collector that asks for a token.
SHOWN = "what-an-example-shows"
#: For what takes scans of five seconds, on a machine under load.
LONG_S = 240.0


@dataclass(frozen=True)
class Scene:
    """What the examples are about: places in their text, with what stands for them here."""

    program: GoProgram
    places: dict[str, str]

    def run(self, heading: str, number: int) -> str:
        """What an example prints."""
        text = EXAMPLES[heading][number]
        for place, here in self.places.items():
            text = text.replace(f'"{place}"', f'"{here}"')
        command = (sys.executable, "-W", "error", "-c", text)
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def scene(ebpf: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:  # noqa: ARG001
    """A program that leaks and that is watched, with a finding that is proved."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "agent.toml").write_text("")
    executable = Path(shutil.copy(build("forgotten"), folder))  # probes go by a program's file, and others run this one
    with ExitStack() as stack:
        collector = stack.enter_context(CollectorProcess(folder))
        guarded = stack.enter_context(guarded_collector(folder / "guarded"))
        program = stack.enter_context(GoProgram(executable, "50"))
        agent = AgentProcess(folder, collector.address, str(executable))
        stack.callback(agent.kill)
        with collector.client() as client:
            eventually(lambda: any(row.pid == program.pid for row in client.processes()), LONG_S)
            host = client.processes(pid=program.pid)[0].host
            eventually(lambda: client.prove(host, program.pid).outcome.proved > 0, LONG_S)
            eventually(lambda: any(found.state == "opened" for found in client.findings()), LONG_S)
        yield Scene(
            program,
            {
                "127.0.0.1:9317": collector.address,
                "unix:/run/gosonde/agent.sock": agent.listen,
                "collector.example:9317": guarded.address,
                "/etc/gosonde/ca.pem": f"{folder}/guarded/ca.pem",
                "/run/secrets/gosonde-token": f"{folder}/guarded/token",
            },
        )


def guarded_collector(folder: Path) -> CollectorProcess:
    """One with a certificate and a token that may read."""
    folder.mkdir()
    authority = Authority(folder)
    own = authority.issue("collector")
    (folder / "token").write_text(f"{SHOWN}\n")
    (folder / "tokens").write_text(f"read {hashlib.sha256(SHOWN.encode()).hexdigest()}\n")
    config = folder / "collector.toml"
    config.write_text(f'tls_cert = "{own.cert}"\ntls_key = "{own.key}"\ntokens = "{folder}/tokens"\n')
    listen = f"127.0.0.1:{free_port()}"
    ready = credentials(ClientTls(authority.cert))
    return CollectorProcess(folder, "--config", str(config), listen=listen, ready=ready)


def leak_line() -> int:
    return site_line("forgotten", "leak")


def test_the_lists_of_a_collector(scene: Scene) -> None:
    said = scene.run("Ask a collector", 0)

    assert re.search(rf"^\S+ {scene.program.pid} \S+/forgotten: [1-9]\d* goroutines, \d+ s ago$", said, re.MULTILINE)
    assert re.search(rf"^opened: main\.leak at \S+:{leak_line()}, [1-9]\d* live$", said, re.MULTILINE)


def test_the_evidence_of_a_finding_by_asyncio(scene: Scene) -> None:
    said = scene.run("Ask a collector", 1)

    assert re.search(r"^1 processes, [1-9]\d* findings$", said, re.MULTILINE)
    assert re.search(r"^[1-9]\d* of \d+ are proved$", said, re.MULTILINE)


def test_what_an_agent_knows(scene: Scene) -> None:
    said = scene.run("Ask an agent", 0)

    assert re.search(r"^\S+: gosonde \S+, sent [1-9]\d* batches$", said, re.MULTILINE)
    assert re.search(rf"^{scene.program.pid} \S+/forgotten: [1-9]\d* created, level \w+$", said, re.MULTILINE)
    assert re.search(r"^goroutine \d+ waits longest: [a-z ]+$", said, re.MULTILINE)


def test_a_proof_and_a_snapshot_on_request(scene: Scene) -> None:
    said = scene.run("Have something proved", 0)

    assert re.search(r"^[1-9]\d* goroutines can never run again, as of [\d.]+ s ago$", said, re.MULTILINE)
    assert re.search(rf"^main\.leak \S+:{leak_line()}: [1-9]\d* of \d+$", said, re.MULTILINE)
    assert re.search(r"^snapshot [0-9a-f]+: [1-9]\d* goroutines$", said, re.MULTILINE)


def test_a_stream_of_findings(scene: Scene) -> None:
    said = scene.run("Follow what changes", 0)

    assert re.search(r"^opened: main\.leak on \S+, confidence 0\.\d\d$", said, re.MULTILINE)


def test_a_stream_of_findings_by_asyncio_until_a_time(scene: Scene) -> None:
    *found, last = scene.run("Follow what changes", 1).splitlines()

    assert any(line.startswith("opened: main.leak on ") for line in found)
    assert last == "that was all in two seconds"


def test_a_collector_with_a_certificate_and_tokens(scene: Scene) -> None:
    assert scene.run("Certificates and tokens", 0) == "0 processes\n"


def test_an_error_by_its_class(scene: Scene) -> None:
    assert scene.run("Errors, time limits, threads", 0).startswith("not there: ")


def test_every_example_is_run_here() -> None:
    text = Path(__file__).read_text()
    run = {(heading, int(number)) for heading, number in re.findall(r'scene\.run\("([^"]+)", (\d)\)', text)}

    assert run == {(heading, number) for heading, texts in EXAMPLES.items() for number in range(len(texts))}
