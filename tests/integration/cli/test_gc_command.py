"""`gosonde gc --here` and the agent's query service say of collections what the runtime says of them."""

import asyncio
import json
import re
import select
import subprocess
from collections.abc import Callable
from pathlib import Path

from gosonde.agent_client import AgentClient
from gosonde_agent.serve.query_service import start_query_service
from gosonde_agent.sources.memory.target import opened

from tests import go_programs
from tests.collector_process import GOSONDE, PATIENCE_S
from tests.go_programs import GoProgram
from tests.integration.agent.serve.test_goroutines_service import STATUS, watching

Start = Callable[..., GoProgram]


def gc(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GOSONDE, "gc", "--here", *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_figures_and_pauses_equal_memstats(go_program: Start) -> None:
    program = go_program("parked", "10", ldflags=("-s", "-w"))
    program.ask("gc 4")
    program.ask("limits 250 104857600")
    document = json.loads(gc(str(program.pid), "--json", "--limit", "3").stdout)
    stats = program.ask("memstats")
    assert (document["cycles"], document["forced_cycles"]) == (stats["NumGC"], stats["NumForcedGC"])
    assert document["pause_total_ns"] == stats["PauseTotalNs"]
    assert (document["gc_percent"], document["memory_limit_bytes"]) == (250, 104_857_600)
    cycles = stats["NumGC"]
    expected = [(n, stats["PauseEnd"][n - 1], stats["PauseNs"][n - 1]) for n in range(cycles, cycles - 3, -1)]
    assert [(p["cycle"], p["end_unix_nano"], p["duration_ns"]) for p in document["pauses"]] == expected
    assert document["last_cycle"]["cycle"] == cycles
    text = gc(str(program.pid), "--wide").stdout
    assert document["last_cycle"]["gctrace"] in text
    assert f"{cycles} cycles" in text
    assert "GOGC 250, memory limit 100.0 MiB" in text


def test_what_is_off_is_null(go_program: Start) -> None:
    program = go_program("parked", "1", env={"GOGC": "off"})
    document = json.loads(gc(str(program.pid), "--json").stdout)
    off = ("heap_goal_bytes", "gc_percent", "memory_limit_bytes", "last_cycle")
    assert [document[key] for key in off] == [None] * 4
    assert document["pauses"] == []


def test_cycles_that_are_followed_print_what_gctrace_prints(tmp_path: Path) -> None:
    trace = tmp_path / "stderr"
    executable = go_programs.build("parked")
    with trace.open("wb") as stderr, GoProgram(executable, "9", env={"GODEBUG": "gctrace=1"}, stderr=stderr) as program:
        command: list[str | Path] = [GOSONDE, "gc", str(program.pid), "--follow"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
            lines: list[str] = []
            while not lines:  # the first line shows that it follows
                program.ask("gc 1")
                lines += _line_within(follower, 0.3)
            for _ in range(5):
                program.ask("gc 1")
                lines += _line_within(follower, PATIENCE_S)
            program.ask("memstats")  # waits until the last line is written
            program.kill()
            assert follower.wait(PATIENCE_S) == 0
    printed = [line for line in trace.read_text().splitlines() if re.match(r"gc \d+ @", line)]
    assert [line for line in printed if line in lines] == lines
    assert len(lines) == 6


def _line_within(follower: "subprocess.Popen[str]", seconds: float) -> list[str]:
    assert follower.stdout is not None
    ready, _, _ = select.select([follower.stdout], [], [], seconds)
    return [follower.stdout.readline().rstrip()] if ready else []


async def test_the_agent_serves_the_same(go_program: Start, tmp_path: Path) -> None:
    program = go_program("parked", "10")
    program.ask("gc 2")
    path = f"unix:{tmp_path / 'agent.sock'}"
    server = await start_query_service(path, watching(program.pid), lambda: STATUS)
    try:
        with AgentClient(path) as client:
            reported = await asyncio.to_thread(client.gc, program.pid)
    finally:
        await server.stop(0)
    with opened(program.pid) as target:
        assert reported == target.gc()
    assert reported.last is not None


def test_a_pid_and_a_collector_exclude_each_other() -> None:
    assert gc("1", "--host", "web-1").returncode == 2
    assert gc("--follow").returncode == 2
    gone = gc("4194304")
    assert gone.returncode == 1
    assert "there is no process" in gone.stderr
