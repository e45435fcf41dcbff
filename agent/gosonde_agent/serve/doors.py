"""The two ways to ask the agent: its socket, and its metrics over HTTP."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosonde_common.values.status import AgentStatus

from gosonde_agent.config import AgentConfig
from gosonde_agent.host.spending import Spending
from gosonde_agent.model.spool_state import SpoolState
from gosonde_agent.model.trail import Trail
from gosonde_agent.serve.latest import Latest
from gosonde_agent.serve.query_service import LocalGate, Prove, QueryServer, Switch, start_query_service
from gosonde_agent.snapshots.redaction import Redact

if TYPE_CHECKING:
    from gosonde_common.metrics import MetricsServer


@dataclass(frozen=True, slots=True)
class Doors:
    """What is open; see `open_doors`."""

    server: QueryServer
    http: "MetricsServer | None"

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
    trail: Trail,
) -> Doors:
    """Answers on `config.listen`, and on `config.http` unless that is empty.

    Raises:
        GosondeError: As `start_query_service`, and when the HTTP port is taken.
    """
    gate = LocalGate()
    server = await start_query_service(
        *(config.listen, latest, status, redact), gate=gate, switch=switch, prove=prove, trail=trail
    )
    if not config.http:
        return Doors(server, None)
    refused = gate.refused_total
    return Doors(server, _metrics(config.http, latest, status, spool, refused=refused, spending=spending))


def _metrics(
    address: str,
    latest: Latest,
    status: Callable[[], AgentStatus],
    spool: Callable[[], SpoolState],
    *,
    refused: Mapping[str, int],
    spending: Callable[[], Spending | None],
) -> "MetricsServer":
    """Serves metrics: Prometheus' library takes 2.5 MB, and no agent imports it that has none to ask."""
    from gosonde_common.metrics import MetricsServer  # noqa: PLC0415

    from gosonde_agent.serve.telemetry import AgentMetrics  # noqa: PLC0415

    metrics = AgentMetrics(latest, status, spool, refused, spending)
    return MetricsServer(address, metrics.registry(), metrics.unready)
