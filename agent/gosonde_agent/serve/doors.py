"""The two ways to ask the agent, its socket and its metrics over HTTP, and what it exports by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from gosonde_common.values.status import AgentStatus

from gosonde_agent.config import AgentConfig
from gosonde_agent.host.spending import Spending
from gosonde_agent.host.threads import in_thread
from gosonde_agent.model.spool_state import SpoolState
from gosonde_agent.model.trail import Trail
from gosonde_agent.serve.exports import Exports
from gosonde_agent.serve.latest import Latest
from gosonde_agent.serve.query_service import LocalGate, Prove, QueryServer, Switch, start_query_service
from gosonde_agent.snapshots.redaction import Redact

if TYPE_CHECKING:
    from gosonde_common.metrics import MetricsServer

    from gosonde_agent.serve.telemetry import AgentMetrics


@dataclass(frozen=True, slots=True)
class Doors:
    """What is open; see `open_doors`."""

    server: QueryServer
    http: "MetricsServer | None"
    exports: Exports

    async def close(self, grace_seconds: float) -> None:
        """Answers no new question, and gives those that are being answered so long."""
        await self.server.stop(grace_seconds)
        if self.http:
            self.http.close()
        await in_thread(self.exports.close)


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

    @cache
    def metrics() -> "AgentMetrics":
        """Prometheus' library takes 2.5 MB, and no agent imports it that has nobody to ask."""
        from gosonde_agent.serve.telemetry import AgentMetrics  # noqa: PLC0415

        return AgentMetrics(latest, status, spool, gate.refused_total, spending)

    exports = Exports(status().host, latest, metrics)
    return Doors(server, _http(config.http, metrics()) if config.http else None, exports)


def _http(address: str, metrics: "AgentMetrics") -> "MetricsServer":
    from gosonde_common.metrics import MetricsServer  # noqa: PLC0415

    return MetricsServer(address, metrics.registry(), metrics.unready)
