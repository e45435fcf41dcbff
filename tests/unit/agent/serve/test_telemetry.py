"""What the agent cannot say of itself or of one process costs a scrape that group of metrics alone."""

from dataclasses import replace

from gosonde_agent.host.spending import Spending
from gosonde_agent.model.spool_state import SpoolState
from gosonde_agent.serve.latest import Latest
from gosonde_agent.serve.telemetry import AgentMetrics
from gosonde_common.metrics import ShownMetrics
from gosonde_common.values.observation import ProbeCost
from gosonde_common.values.status import AgentStatus, UplinkStatus
from prometheus_client import CollectorRegistry, generate_latest

from tests.unit.agent.observations import count, observed, park, process, total

ONE = process(1)


def fails() -> SpoolState:
    raise OSError("the disk fails")


def status() -> AgentStatus:
    return AgentStatus("agent", "0", "host", 1, UplinkStatus())


def test_groups_that_fail_cost_a_scrape_themselves_alone() -> None:
    latest = Latest()
    cost = replace(ProbeCost(ONE.key, 1, 1, 1, 1), probe_ns=None)  # type: ignore[arg-type]
    latest.update(
        observed(
            ONE,
            site_counts=(count(ONE, 1, 7),),
            park_counts=(park(ONE, 3),),
            gc_totals=(total(ONE, 4),),
            probe_costs=(cost,),
        )
    )
    shown = CollectorRegistry(support_collectors_without_names=True)
    shown.register(ShownMetrics(AgentMetrics(latest, status, fails, {}, lambda: None).registry()))
    names = {line.partition("{")[0].partition(" ")[0] for line in generate_latest(shown).decode().splitlines()}
    assert not names & {"gosonde_agent_spool_bytes", "gosonde_probe_seconds_total"}
    assert names >= {
        "gosonde_agent_lost_total",
        "gosonde_agent_processes",
        "gosonde_agent_batches_sent_total",
        "gosonde_goroutines_live",
        "gosonde_gc_cycles_total",
        "gosonde_parks_total",
    }


def test_what_waits_because_the_agent_takes_what_it_may_is_told_with_how_long() -> None:
    spending = Spending(taken=lambda: 0.0)
    spending.put_off["readings"] += 2.5
    registry = AgentMetrics(Latest(), status, lambda: SpoolState(0), {}, lambda: spending).registry()
    told = generate_latest(registry).decode()
    assert 'gosonde_agent_put_off_seconds_total{work="readings"} 2.5' in told
    assert "gosonde_agent_cpu_ratio 0.0" in told
