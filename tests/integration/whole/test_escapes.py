"""A program leaks beside an agent: its finding says what escapes, and has as many objects as the program has leaked."""

from pathlib import Path

from gosonde.collector_client import CollectorClient

from tests.agent_process import AgentProcess, delivers_its_own, eventually
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build, compiler_output, site_line

PROGRAM = "escaping"
#: For what takes scans of five seconds, on a machine under load.
LONG_S = 240.0
BYTES = 8 << 10


def test_a_real_finding_has_what_escapes_and_numbers_equal_to_what_the_program_counts(
    tmp_path: Path,
    ebpf: None,  # noqa: ARG001
) -> None:
    (tmp_path / "agent.toml").write_text("")
    program = build(PROGRAM)
    (tmp_path / "build.txt").write_bytes(compiler_output(PROGRAM, "1.27.3", "-gcflags=-m -m", "-trimpath"))
    with CollectorProcess(tmp_path) as collector, CollectorClient(collector.address) as client:
        agent = AgentProcess(tmp_path, collector.address, str(program))
        try:
            eventually(lambda: delivers_its_own(agent.listen))
            with GoProgram(program) as running:
                eventually(lambda: leaks_until_found(running, client), LONG_S)
                told = running.ask(f"heap {tmp_path}/heap")
                (row,) = client.processes(pid=running.pid)
                with (tmp_path / "heap").open("rb") as heap, (tmp_path / "build.txt").open("rb") as output:
                    client.push_snapshot(heap, row.host, row.pid)
                    pushed = client.push_escapes(output, row.host, row.pid)
                assert (pushed.build_id, pushed.passed_over) == (row.build_id, 0)
                (finding,) = client.findings()
                found = client.explain(finding.id).escapes
        finally:
            agent.kill()
    assert found
    lines = {line.line: line for line in found.lines if line.function == "main.leak"}
    for marker, why in (
        ("buffer", f"put into job{{...}} at line {site_line(PROGRAM, 'second')}"),
        ("first", f"sent on a channel at line {site_line(PROGRAM, 'send')}"),
        ("leak", "outlives the call"),
    ):
        line = lines[site_line(PROGRAM, marker)]
        assert [value.why for value in line.values] == [why]
        assert line.inuse_objects == told["leaked"]
    assert lines[site_line(PROGRAM, "buffer")].inuse_bytes == told["bytes"]
    assert finding.site.line == site_line(PROGRAM, "leak")
    assert found.missing == ()


def leaks_until_found(program: GoProgram, client: CollectorClient) -> bool:
    program.ask("leak 5")
    return bool(client.findings())
