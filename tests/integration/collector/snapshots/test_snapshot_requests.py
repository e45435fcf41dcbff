"""The collector asks an agent for a snapshot, and gets it or a reason; nobody else notices."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from gosonde.collector_client import CollectorClient, Pushed
from gosonde.proofs import Searched
from gosonde_agent.sources.memory.target import opened
from gosonde_collector.snapshots.requests import MAX_AT_ONCE
from gosonde_common.errors import GosondeError, NotFoundError, UnsupportedError
from gosonde_common.wire.profile import encode_profile
from gosonde_pb.v1 import ingest_pb2, model_pb2

from tests import go_programs, kept_probes
from tests.collector_process import GOSONDE, PATIENCE_S, AgentStream, CollectorProcess, observation
from tests.go_programs import GoProgram

Start = Callable[..., GoProgram]
MEMORY, PROOF = model_pb2.SNAPSHOT_KIND_MEMORY, model_pb2.SNAPSHOT_KIND_PROOF
PID = 4711


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path_factory.mktemp("collector")) as running:
        yield running


@contextmanager
def asking(collector: CollectorProcess, host: str, pid: int = PID) -> Iterator["Future[Pushed]"]:
    """Asks in a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool, collector.client() as client:
        yield pool.submit(client.take_snapshot, host, pid)


def answers(collector: CollectorProcess, host: str, **flags: object) -> AgentStream:
    """A stream of an agent that knows one process."""
    stream = AgentStream(collector.address, host=host, agent_id=host, snapshot_kinds=(MEMORY, PROOF), **flags)  # type: ignore[arg-type]
    stream.observe(1, observation([(1, 10, 3)]))
    return stream


def some_profile() -> bytes:
    with GoProgram(go_programs.build("parked"), "5") as program, opened(program.pid) as target:
        return encode_profile(target.goroutines(), time.time_ns())


# --- a real agent ----------------------------------------------------------------------------------------------------


@contextmanager
def agent(collector: CollectorProcess, folder: Path, *flags: str) -> Iterator[None]:
    kept_probes.give(folder)
    command: list[str | Path] = [GOSONDE, "agent", "--collector", collector.address, "--state", folder, *flags]
    process = subprocess.Popen([*command, "--listen", f"unix:{folder}/agent.sock"], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def host_of(client: CollectorClient, pid: int) -> str:
    """Waits until the process is known, and says on which host."""
    end = time.monotonic() + PATIENCE_S
    while not (rows := client.processes(pid=pid)):
        assert time.monotonic() < end, "the process was never reported"
        time.sleep(0.05)
    return rows[0].host


@pytest.mark.usefixtures("ebpf")
def test_an_agent_reads_the_goroutines_of_a_process_for_the_collector(
    collector: CollectorProcess, go_program: Start, tmp_path: Path
) -> None:
    program = go_program("parked", "1500", ldflags=("-s", "-w"))
    with agent(collector, tmp_path, "--pid", str(program.pid)), collector.client() as client:
        host = host_of(client, program.pid)
        done = subprocess.run(
            [
                GOSONDE,
                "snapshot",
                "--host",
                host,
                "--pid",
                str(program.pid),
                "--collector",
                collector.address,
                "--json",
            ],
            capture_output=True,
            timeout=PATIENCE_S,
            check=True,
        )
        taken = json.loads(done.stdout)
        with opened(program.pid) as target:
            shown = [g for g in target.goroutines() if not g.system]
        assert (taken["format"], taken["goroutines"]) == ("memory", len(shown))
        assert taken["distinct_stacks"] == len({goroutine.stack for goroutine in shown})
        program.kill()
        with pytest.raises(GosondeError, match=r"has ended|did not run"):
            client.take_snapshot(host, program.pid)


@pytest.mark.usefixtures("ebpf")
def test_a_process_that_has_run_exec_is_not_taken_for_what_it_was(
    collector: CollectorProcess, go_program: Start, tmp_path: Path
) -> None:
    program = go_program("execer", "1", str(go_programs.build("parked")), "40")
    # It scans so rarely that it has reported nothing of the new program yet.
    config = tmp_path / "agent.toml"
    config.write_text("interval_seconds = 25\n")
    with agent(collector, tmp_path, "--pid", str(program.pid), "--config", str(config)), collector.client() as client:
        host = host_of(client, program.pid)
        assert client.take_snapshot(host, program.pid).goroutines < 40
        program.ask("exec")
        assert program.answer()["ready"]
        with pytest.raises(GosondeError, match="runs another program now"):
            client.take_snapshot(host, program.pid)


# --- agents that are old, slow, or say something else ----------------------------------------------------------------


def test_an_agent_that_offers_no_snapshots_is_not_asked(collector: CollectorProcess) -> None:
    with AgentStream(collector.address, host="old") as stream, collector.client() as client:
        stream.observe(1, observation([(1, 10, 3)]))
        with pytest.raises(UnsupportedError, match="use a newer agent"):
            client.take_snapshot("old", PID)
        assert stream.observe(2, observation([(1, 11, 3)])) == 2


def test_without_an_agent_nobody_can_take_it(collector: CollectorProcess) -> None:
    with answers(collector, "gone"), collector.client() as client:
        with pytest.raises(NotFoundError, match="no process 1 is known on gone"):
            client.take_snapshot("gone", 1)
        with pytest.raises(NotFoundError, match="known hosts"):
            client.take_snapshot("never-seen", PID)
    with collector.client() as client, pytest.raises(NotFoundError, match="no agent of gone is connected"):
        client.take_snapshot("gone", PID)


def test_the_request_names_the_process_image_and_batches_go_on_between_the_pieces(collector: CollectorProcess) -> None:
    data = some_profile()
    with answers(collector, "slow") as stream, asking(collector, "slow") as taken:
        request = stream.asked()
        assert (request.process.boot_id, request.process.pid, request.process.start_ticks) == ("boot", PID, PID)
        assert request.kind == MEMORY
        stream.answer(ingest_pb2.SnapshotPiece(id=request.id, chunk=data[:1000]))
        assert stream.observe(2, observation([(1, 12, 3)])) == 2
        stream.answer(ingest_pb2.SnapshotPiece(id=request.id, chunk=data[1000:], last=True))
        assert taken.result().format == "memory"


def test_the_agents_reason_is_told(collector: CollectorProcess) -> None:
    with answers(collector, "refuses") as stream, asking(collector, "refuses") as taken:
        stream.answer(ingest_pb2.SnapshotPiece(id=stream.asked().id, failure="it is too busy"))
        with pytest.raises(GosondeError, match="the agent cannot take it: it is too busy"):
            taken.result()


@pytest.mark.parametrize(
    ("chunk", "words"),
    [(b"<html>", "not a profile"), (b"goroutine 1 [running]:\nmain.main()\n\tmain.go:1 +0x1\n", "debug=2")],
)
def test_an_answer_that_is_something_else_is_refused(collector: CollectorProcess, chunk: bytes, words: str) -> None:
    with answers(collector, "wrong") as stream, asking(collector, "wrong") as taken:
        stream.answer(ingest_pb2.SnapshotPiece(id=stream.asked().id, chunk=chunk, last=True))
        with pytest.raises(GosondeError, match=words):
            taken.result()
        assert stream.observe(2, observation([(1, 12, 3)])) == 2


def test_pieces_that_nobody_asked_for_change_nothing(collector: CollectorProcess) -> None:
    with answers(collector, "eager") as stream, collector.client() as client:
        stream.answer(ingest_pb2.SnapshotPiece(id=99, chunk=some_profile(), last=True))
        assert stream.observe(2, observation([(1, 12, 3)])) == 2
        with asking(collector, "eager") as taken:
            request = stream.asked()
            stream.answer(ingest_pb2.SnapshotPiece(id=request.id + 1, failure="not this one"))
            stream.answer(ingest_pb2.SnapshotPiece(id=request.id, failure="this one"))
            with pytest.raises(GosondeError, match="this one"):
                taken.result()
        assert [row.pid for row in client.processes("eager")] == [PID]


def test_an_agent_of_another_host_cannot_answer(collector: CollectorProcess) -> None:
    with (
        answers(collector, "mine") as mine,
        answers(collector, "other") as other,
        asking(collector, "mine") as taken,
    ):
        request = mine.asked()
        other.answer(ingest_pb2.SnapshotPiece(id=request.id, failure="from elsewhere"))
        assert other.observe(2, observation([(1, 12, 3)])) == 2
        assert not taken.done()
        mine.answer(ingest_pb2.SnapshotPiece(id=request.id, failure="from here"))
        with pytest.raises(GosondeError, match="from here"):
            taken.result()


def test_an_agent_that_disconnects_meanwhile_ends_the_waiting(collector: CollectorProcess) -> None:
    with answers(collector, "leaves") as stream, asking(collector, "leaves") as taken:
        stream.asked()
        stream.__exit__()
        with pytest.raises(GosondeError, match="the agent disconnected"):
            taken.result()


def test_one_agent_is_asked_for_one_snapshot_at_a_time(collector: CollectorProcess) -> None:
    with (
        answers(collector, "queue") as stream,
        asking(collector, "queue") as first,
        asking(collector, "queue") as second,
    ):
        one = stream.asked()
        assert stream.observe(2, observation([(1, 12, 3)])) == 2  # and no second request before it
        stream.answer(ingest_pb2.SnapshotPiece(id=one.id, failure="the first"))
        two = stream.asked()
        assert two.id != one.id
        stream.answer(ingest_pb2.SnapshotPiece(id=two.id, failure="the second"))
        reasons = {str(taken.exception()) for taken in (first, second)}
        assert reasons == {f"the agent cannot take it: the {n}" for n in ("first", "second")}


def test_an_agent_that_does_not_answer_keeps_no_other_waiting(collector: CollectorProcess) -> None:
    with ExitStack() as stack:
        silent, quick = (stack.enter_context(answers(collector, host)) for host in ("silent", "quick"))
        waiting = [stack.enter_context(asking(collector, "silent")) for _ in range(2 * MAX_AT_ONCE)]
        silent.asked()
        taken = stack.enter_context(asking(collector, "quick"))
        quick.answer(ingest_pb2.SnapshotPiece(id=quick.asked().id, failure="at once"))
        with pytest.raises(GosondeError, match="at once"):
            taken.result()
        assert not any(one.done() for one in waiting)
        silent.__exit__()


# --- proofs ----------------------------------------------------------------------------------------------------------


@contextmanager
def asking_for_proof(collector: CollectorProcess, host: str) -> Iterator["Future[Searched]"]:
    """Asks in a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool, collector.client() as client:
        yield pool.submit(client.prove, host, PID)


def searched(proved: int = 3, examined: int = 5, at: int = 7) -> model_pb2.SearchOutcome:
    return model_pb2.SearchOutcome(searched_unix_nano=at, scans=5, examined=examined, proved=proved)


def with_search(proved: int = 3, at: int = 7) -> model_pb2.Observation:
    """What an agent sends of a search: the site 1 has goroutines of which so many are proved."""
    seen = observation([(1, 10, 3)])
    seen.searches.MergeFrom(model_pb2.Searches(process=[0], searched_unix_nano=[at], scans=[5], undecided=[""]))
    row = {"pc": 1, "searched_unix_nano": at, "scans": 5, "examined": 5, "proved": proved, "probable": 0}
    kept = dict.fromkeys(("oldest_wait_ns", "retained_stack_bytes", "retained_heap_bytes"), 0)
    seen.proofs.MergeFrom(model_pb2.Proofs(process=[0], **{name: [value] for name, value in {**row, **kept}.items()}))
    return seen


def test_who_asks_for_a_proof_is_told_once_it_is_stored(collector: CollectorProcess) -> None:
    with answers(collector, "proves") as stream, asking_for_proof(collector, "proves") as told:
        request = stream.asked()
        assert (request.kind, request.process.pid) == (PROOF, PID)
        stream.answer(ingest_pb2.SnapshotPiece(id=request.id, last=True, outcome=searched()))
        assert stream.observe(2, observation([(1, 11, 3)])) == 2
        assert not told.done()
        assert stream.observe(3, with_search()) == 3
        found = told.result()
        assert (found.outcome.proved, found.outcome.held, found.outcome.undecided) == (3, 2, "")
        assert [(site.function, site.line, site.proof.proved) for site in found.sites] == [("main.site_1", 1, 3)]
    with answers(collector, "proves") as stream, asking_for_proof(collector, "proves") as told:
        stream.answer(ingest_pb2.SnapshotPiece(id=stream.asked().id, last=True, outcome=searched()))
        assert told.result().outcome.proved == 3


def test_proofs_and_files_of_one_agent_are_asked_for_side_by_side(collector: CollectorProcess) -> None:
    with (
        answers(collector, "both") as stream,
        asking_for_proof(collector, "both") as proof,
        asking(collector, "both") as file,
    ):
        requests = {one.kind: one.id for one in (stream.asked(), stream.asked())}
        stream.answer(ingest_pb2.SnapshotPiece(id=requests[PROOF], failure="it has ended"))
        with pytest.raises(GosondeError, match="the agent cannot take it: it has ended"):
            proof.result()
        stream.answer(ingest_pb2.SnapshotPiece(id=requests[MEMORY], failure="later"))
        with pytest.raises(GosondeError, match="later"):
            file.result()


def test_an_agent_that_does_not_know_proofs_is_not_asked(collector: CollectorProcess) -> None:
    with (
        AgentStream(collector.address, host="older", agent_id="older", snapshot_kinds=(MEMORY,)) as stream,
        collector.client() as client,
    ):
        stream.observe(1, observation([(1, 10, 3)]))
        with pytest.raises(UnsupportedError, match="cannot take proof snapshots; use a newer agent"):
            client.prove("older", PID)


def test_a_file_is_no_answer_to_who_asks_for_a_proof_and_an_outcome_is_no_file(collector: CollectorProcess) -> None:
    with (
        answers(collector, "mixes") as stream,
        asking_for_proof(collector, "mixes") as proof,
        asking(collector, "mixes") as file,
    ):
        requests = {one.kind: one.id for one in (stream.asked(), stream.asked())}
        stream.answer(ingest_pb2.SnapshotPiece(id=requests[PROOF], chunk=some_profile(), last=True))
        with pytest.raises(GosondeError, match="not what was asked for: a file"):
            proof.result()
        stream.answer(ingest_pb2.SnapshotPiece(id=requests[MEMORY], last=True, outcome=searched()))
        with pytest.raises(GosondeError, match="not what was asked for: what a search found"):
            file.result()


def test_an_outcome_that_contradicts_itself_ends_the_stream(collector: CollectorProcess) -> None:
    with answers(collector, "lies") as stream, asking_for_proof(collector, "lies") as told:
        stream.answer(ingest_pb2.SnapshotPiece(id=stream.asked().id, outcome=searched(proved=6)))
        with pytest.raises(GosondeError, match="the agent disconnected"):
            told.result()
