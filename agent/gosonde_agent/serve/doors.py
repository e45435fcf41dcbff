"""The two ways to ask the agent: its socket, and its metrics over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass

from gosonde_common.metrics import MetricsServer
from gosonde_common.values.status import AgentStatus

from gosonde_agent.config import AgentConfig
from gosonde_agent.host.spending import Spending
from gosonde_agent.model.spool_state import SpoolState
from gosonde_agent.serve.latest import Latest
from gosonde_agent.serve.query_service import LocalGate, Prove, QueryServer, Switch, start_query_service
from gosonde_agent.serve.telemetry import AgentMetrics
from gosonde_agent.snapshots.redaction import Redact


@dataclass(frozen=True, slots=True)
class Doors:
    """What is open; see `open_doors`."""

    server: QueryServer
    http: MetricsServer | None

    async def close(self, grace_seconds: float) -> None:
        """Answers no new question, and gives those that are being answered so long."""
        await self.server.stop(grace_seconds)
        if self.http:
            self.http.close()


async def open_doors(
    config: AgentConfig,
    latest: Latest,
    status: Callable[[], AgentStatus],
    spool: Callable[[], SpoolState],
    spending: Callable[[], Spending | None],
    *,
    redact: Redact,
    switch: Switch,
    prove: Prove,
) -> Doors:
    """Answers on `config.listen`, and on `config.http` unless that is empty.

    Raises:
        GosondeError: As `start_query_service`, and when the HTTP port is taken.
    """
    gate = LocalGate()
    server = await start_query_service(config.listen, latest, status, redact, gate=gate, switch=switch, prove=prove)
    metrics = AgentMetrics(latest, lambda: status().uplink, spool, gate.refused_total, spending)
    http = MetricsServer(config.http, metrics.registry(), metrics.unready) if config.http else None
    return Doors(server, http)
