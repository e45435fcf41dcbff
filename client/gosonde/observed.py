"""What an agent answers, as plain values. All of it is public; gosonde_common.values, where it comes from, is not."""

from gosonde_common.values.audit import Act, Actor, AuditEvent
from gosonde_common.values.containers import Container
from gosonde_common.values.gc import GcFigures, LastCycle, PastPause
from gosonde_common.values.goroutines import Goroutine, Location
from gosonde_common.values.levels import Level, Reason, Step
from gosonde_common.values.observation import (
    GcCycle,
    GcTotal,
    Heap,
    Observation,
    ParkCount,
    Pause,
    ProbeCost,
    Process,
    ProcessKey,
    ProofCount,
    RuntimeReading,
    Search,
    Site,
    SiteCount,
    SiteEstimate,
    TimerReading,
)
from gosonde_common.values.reachability import Holder, SearchOutcome
from gosonde_common.values.runtime import RuntimeFigures
from gosonde_common.values.status import AgentStatus, UplinkStatus
from gosonde_common.values.timers import PendingTimers, TimerGroup, TimerKind

__all__ = [
    "Act",
    "Actor",
    "AgentStatus",
    "AuditEvent",
    "Container",
    "GcCycle",
    "GcFigures",
    "GcTotal",
    "Goroutine",
    "Heap",
    "Holder",
    "LastCycle",
    "Level",
    "Location",
    "Observation",
    "ParkCount",
    "PastPause",
    "Pause",
    "PendingTimers",
    "ProbeCost",
    "Process",
    "ProcessKey",
    "ProofCount",
    "Reason",
    "RuntimeFigures",
    "RuntimeReading",
    "Search",
    "SearchOutcome",
    "Site",
    "SiteCount",
    "SiteEstimate",
    "Step",
    "TimerGroup",
    "TimerKind",
    "TimerReading",
    "UplinkStatus",
]
