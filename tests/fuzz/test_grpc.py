"""Whatever arrives over gRPC, the servers stay up, say what is wrong, and stay small. `make fuzz` goes on longer."""

import random
import re
from pathlib import Path

import grpc
from gosonde.agent_client import AgentClient

from tests.collector_process import AgentStream, CollectorProcess, observation
from tests.fuzz.grpc_messages import AGENT, COLLECTOR, series
from tests.fuzz.run_grpc import MEMORY_BYTES, AgentServer, peak_memory

#: Fewer than the calls that both servers allow at once.
CALLS = 180
#: What gRPC itself prints when who called is gone before the status of the call is sent.
OF_GRPC = re.compile(
    r"^Traceback .*\n(?:  .*\n)+grpc\._cython\.cygrpc\.ExecuteBatchError: .*SendStatusFromServerOperation.*\n",
    re.MULTILINE,
)


def test_the_collector_survives_hostile_messages_and_others_do_not_feel_them(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector, grpc.insecure_channel(collector.address) as channel:
        before = peak_memory(collector.process.pid)
        with AgentStream(collector.address, agent_id="good", host="good") as healthy:
            assert healthy.observe(1, observation([(1, 1, 0)])) == 1
            ends = series(channel, COLLECTOR, random.Random(1), CALLS)
            assert healthy.observe(2, observation([(1, 2, 0)])) == 2
        assert peak_memory(collector.process.pid) - before < MEMORY_BYTES
        assert collector.process.poll() is None
        log = collector.log.read_text()
    assert {"OK", "INVALID_ARGUMENT"} <= ends.keys()
    assert "Traceback" not in OF_GRPC.sub("", log)


def test_the_agents_query_service_survives_hostile_messages(tmp_path: Path) -> None:
    with AgentServer(tmp_path) as agent, grpc.insecure_channel(agent.address) as channel:
        ends = series(channel, AGENT, random.Random(2), CALLS)
        assert agent.process.poll() is None
        with AgentClient(agent.address) as client:
            assert client.status().agent_id == "fuzzed"
    assert {"OK", "NOT_FOUND"} <= ends.keys()
