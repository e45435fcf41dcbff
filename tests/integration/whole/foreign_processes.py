"""Processes and hosts that are full of controls, and the commands that are to show them without any."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gosonde_pb.v1 import model_pb2

from tests.collector_process import GOSONDE, PATIENCE_S, AgentStream, CollectorProcess, eventually, leak
from tests.hostile_text import SENDABLE, unshown

#: One component of a path has 255 bytes at most.
FOLDER = SENDABLE.replace("/", "")[:100].encode()[:200].decode(errors="ignore") + "\u202e\u2028\u200b[bold]"
HOST = f"web-1{SENDABLE}"


def hostile(seen: model_pb2.Observation) -> model_pb2.Observation:
    """The same, each of its strings full of controls."""
    process = seen.processes[0]
    process.exe = process.go_version = SENDABLE
    refused = seen.processes.add(exe=SENDABLE, level=model_pb2.LEVEL_REFUSED, refusal=SENDABLE)
    refused.key.CopyFrom(process.key)
    refused.key.pid = refused.key.start_ticks = 4712
    for names in (seen.site_names.function, seen.site_names.file, seen.site_names.start_function):
        names[:] = [f"{SENDABLE}{number}" for number, _ in enumerate(names)]
    start = seen.taken_unix_nano
    seen.gc_cycles.MergeFrom(
        model_pb2.GcCycles(process=[0], ordinal=[0], start_unix_nano=[start], end_unix_nano=[start + 9])
    )
    seen.pauses.MergeFrom(
        model_pb2.Pauses(process=[0], ordinal=[0], start_unix_nano=[start], duration_ns=[9], reason=[SENDABLE])
    )
    seen.park_counters.MergeFrom(
        model_pb2.ParkCounters(
            process=[0], wait_reason=[SENDABLE], parked=[3], parks=[9], parks_low=[5], parks_high=[20], windows=[3],
            sampled_ns=[1], covered_ns=[2],
        )
    )  # fmt: skip
    pc = seen.site_counters.pc[0]
    seen.proofs.MergeFrom(
        model_pb2.Proofs(
            process=[0], pc=[pc], searched_unix_nano=[start], scans=[5], examined=[9], proved=[5], probable=[1],
            oldest_wait_ns=[1], retained_stack_bytes=[1], retained_heap_bytes=[1],
        )
    )  # fmt: skip
    path = model_pb2.Path(steps=[SENDABLE, SENDABLE])
    seen.holders.MergeFrom(model_pb2.Holders(process=[0], pc=[pc], path=[path], goroutines=[3]))
    seen.searches.MergeFrom(
        model_pb2.Searches(process=[0], searched_unix_nano=[start], scans=[5], undecided=[SENDABLE])
    )
    seen.audit_events.MergeFrom(
        model_pb2.AuditEvents(
            ordinal=[start], at_unix_nano=[start], act=["probes-off"], actor=["local"], who=[SENDABLE], pid=[4711],
            exe=[SENDABLE], detail=[SENDABLE],
        )
    )  # fmt: skip
    return seen


@contextmanager
def knowing_collector(folder: Path) -> Iterator[CollectorProcess]:
    """Knows one process with a leak, and whatever a stranger can say of it."""
    with CollectorProcess(folder) as running:
        with AgentStream(running.address, host=HOST) as agent, running.client() as client:
            for sequence, seen in enumerate(leak(seconds=50, per_second=50), 1):
                agent.observe(sequence, hostile(seen))
            assert eventually(client, "opened", live=2_500)
        yield running


def said(*arguments: str | Path) -> tuple[str, str]:
    """What the command prints to both streams; neither holds a control but the line feeds of its own lines."""
    done = subprocess.run([GOSONDE, *arguments], capture_output=True, timeout=PATIENCE_S, check=False)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert not unshown(out.replace("\n", "").replace("\t", "")), arguments
    assert not unshown(err.replace("\n", "").replace("\t", "")), arguments
    return out, err
