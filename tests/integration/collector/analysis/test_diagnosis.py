"""A running collector says why a site leaks, shows the evidence, notifies watchers, and takes gctrace logs in."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde.collector_client import CollectorClient, Finding
from gosonde_common.errors import InvalidInputError, NotFoundError

from tests.collector_process import GOSONDE, PATIENCE_S, AgentStream, CollectorProcess, eventually, leak

PID = 4711
LINE = (
    "gc {n} @{at}.000s 1%: 0.02+0.5+0.01 ms clock, 0.1+0.3/0.9/0+0.1 ms cpu, 4->4->{heap} MB, 8 MB goal, 1 MB stacks, "
    "0 MB globals, 2 P\n"
)
LOG = "".join(LINE.format(n=n, at=5 * n, heap=2 * n) for n in range(1, 10)).encode()
#: What debug=2 shows of goroutines that send to nobody.
STACK = "main.site_42.func1()\n\tmain.go:43 +0x1c\ncreated by main.site_42 in goroutine 1\n\tmain.go:42 +0x26\n"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """With one leak, found and explained by a profile."""
    with CollectorProcess(tmp_path_factory.mktemp("collector")) as running:
        with AgentStream(running.address) as agent:
            for sequence, seen in enumerate(leak(seconds=50, per_second=10), 1):
                agent.observe(sequence, seen)
        with running.client() as client:
            assert eventually(client, "opened")
        yield running


@pytest.fixture
def client(collector: CollectorProcess) -> Iterator[CollectorClient]:
    with CollectorClient(collector.address) as asking:
        yield asking


def profile(goroutines: int) -> bytes:
    return "\n".join(f"goroutine {n} [chan send]:\n{STACK}" for n in range(2, goroutines + 2)).encode()


def until(client: CollectorClient, cause: str) -> Finding:
    end = time.monotonic() + PATIENCE_S
    while (finding := client.findings()[0]).cause != cause:
        assert time.monotonic() < end, finding
        time.sleep(0.2)
    return finding


def test_a_profile_tells_the_cause_and_watchers_hear_of_it(
    collector: CollectorProcess, client: CollectorClient, tmp_path: Path
) -> None:
    heard: list[Finding] = []
    reported = threading.Event()

    def listen() -> None:
        with CollectorClient(collector.address) as watching:
            for finding in watching.watch():
                heard.append(finding)
                if finding.cause == "channel-send":
                    reported.set()
                    return

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    file = tmp_path / "profile"
    file.write_bytes(profile(500))
    with file.open("rb") as source:
        client.push_snapshot(source, "web-1", PID)
    finding = until(client, "channel-send")
    assert "make(chan T, 1)" in finding.remedy
    assert reported.wait(PATIENCE_S)
    essences = [(found.id, found.state, found.cause, tuple(found.witnesses.items())) for found in heard]
    assert len(essences) == len(set(essences))


def test_an_explanation_has_the_live_count_the_states_and_the_stack(client: CollectorClient) -> None:
    found = client.explain(client.findings()[0].id)
    lives = [live for _, live in found.points]
    assert lives == sorted(lives)
    assert (lives[0], lives[-1]) == (0, 500)
    assert found.states == {"chan send": 500}
    assert (found.stack[0].function, found.stack[0].line) == ("main.site_42.func1", 43)
    assert {sign.name for sign in found.gc_signs} >= {"gc interval", "heap at goal"}


def test_the_command_draws_it(collector: CollectorProcess, client: CollectorClient) -> None:
    finding = client.findings()[0].id
    command: list[str | Path] = [GOSONDE, "findings", "--explain", finding, "--collector", collector.address]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for words in ("500 ┤", "█", "500 chan send", "main.site_42.func1  main.go:43", "gc interval"):
        assert words in printed
    document = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)
    assert document["finding"]["id"] == finding
    assert set(document["states"]) == {"chan send"}


def test_an_unknown_finding_is_said_to_be_unknown(client: CollectorClient) -> None:
    with pytest.raises(NotFoundError, match="there is no finding 0123"):
        client.explain("0123")


def test_a_gctrace_log_becomes_a_witness(collector: CollectorProcess, client: CollectorClient) -> None:
    command: list[str | Path] = [
        GOSONDE,
        "gctrace",
        "push",
        "-",
        "--host",
        "web-1",
        "--pid",
        str(PID),
        "--collector",
        collector.address,
    ]
    done = subprocess.run(command, input=b"hello\n" + LOG, capture_output=True, check=True)
    assert b"9 cycles, 1 other line;" in done.stdout
    end = time.monotonic() + PATIENCE_S
    while (finding := client.findings()[0]).witnesses["gctrace"] != "agrees":
        assert time.monotonic() < end, finding
        time.sleep(0.2)
    assert "heap in use from 2 to 18 MB" in finding.details["gctrace"]


def test_a_log_that_is_followed_is_read_over_its_replacement(collector: CollectorProcess, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(LINE.format(n=20, at=46, heap=40))
    command: list[str | Path] = [
        GOSONDE,
        "gctrace",
        "push",
        log,
        "--follow",
        "--json",
        "--host",
        "web-1",
        "--pid",
        str(PID),
    ]
    with subprocess.Popen([*command, "--collector", collector.address], stdout=subprocess.PIPE, text=True) as following:
        try:
            assert following.stdout is not None
            assert _cycles(following.stdout) == 1
            log.rename(tmp_path / "app.log.1")
            log.write_text("started\n" + LINE.format(n=21, at=47, heap=42))
            assert _cycles(following.stdout) == 1
        finally:
            following.terminate()


def test_a_log_that_is_followed_goes_on_behind_a_piece_that_is_refused(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    log = tmp_path / "app.log"
    log.write_text(LINE.format(n=30, at=47, heap=40))
    command: list[str | Path] = [GOSONDE, "gctrace", "push", log, "--follow", "--json", "--host", "web-1"]
    command += ["--pid", str(PID), "--collector", collector.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        try:
            assert following.stdout is not None
            assert following.stderr is not None
            assert _cycles(following.stdout) == 1
            with log.open("a") as written:
                written.write(LINE.format(n=2, at=1, heap=2) + LINE.format(n=1, at=1, heap=2))
            assert "passed over: the gctrace log goes from cycle 2 back to 1" in following.stderr.readline()
            with log.open("a") as written:
                written.write(
                    "gc 31 @47.5s tor" + LINE.format(n=32, at=48, heap=44) + LINE.format(n=33, at=48, heap=44)
                )
            assert _cycles(following.stdout) == 2
        finally:
            following.terminate()


def _cycles(output: Iterator[str]) -> int:
    """The `cycles` of the next line."""
    cycles: int = json.loads(next(output))["cycles"]
    return cycles


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (LINE.format(n=99, at=9_000, heap=1).encode(), "the log is of another process"),
        (LINE.format(n=99, at=1, heap=1).encode(), "it is of several processes"),
    ],
    ids=["of a process that runs longer", "from before the last line"],
)
def test_a_log_that_cannot_be_this_process_is_refused(client: CollectorClient, lines: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        client.push_gctrace(lines, "web-1", PID)


@pytest.mark.parametrize("log", [b"hello\nworld\n", b"gc 1 @0.1s broken\n", b""], ids=["other", "torn", "empty"])
def test_a_log_without_a_cycle_ends_the_command_with_1_and_a_reason(collector: CollectorProcess, log: bytes) -> None:
    command: list[str | Path] = [
        GOSONDE,
        "gctrace",
        "push",
        "-",
        "--host",
        "web-1",
        "--pid",
        str(PID),
        "--collector",
        collector.address,
    ]
    done = subprocess.run(command, input=log, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"reports no garbage collection" in done.stderr


def test_a_log_of_an_unknown_process_is_refused(client: CollectorClient) -> None:
    with pytest.raises(NotFoundError):
        client.push_gctrace(LOG, "web-1", 99)
