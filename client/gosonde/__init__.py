"""The typed client of agents and collectors: docs/library.md shows it.

What `__all__` names is public, and nothing else is but `gosonde.observed`. Names are imported when they are first used:
gRPC takes a tenth of a second, which nobody should wait for who needs an error's class.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from gosonde_common import __version__

if TYPE_CHECKING:
    from gosonde_common.addresses import AGENT_ADDRESS, COLLECTOR_ADDRESS, ClientTls
    from gosonde_common.errors import (
        ForbiddenError,
        GosondeError,
        InvalidInputError,
        NotFoundError,
        OverloadedError,
        UnauthenticatedError,
        UnavailableError,
        UnsupportedError,
        UsageError,
    )
    from gosonde_common.values.ages import AgeBar, Ages
    from gosonde_common.values.containers import Container
    from gosonde_common.values.http import HostSeen
    from gosonde_common.values.labels import LabelShare
    from gosonde_common.values.reachability import SearchOutcome
    from gosonde_common.values.timers import PendingTimers, TimerGroup, TimerKind

    from gosonde.agent_client import AgentClient
    from gosonde.aio.agent_client import AsyncAgentClient
    from gosonde.aio.collector_client import AsyncCollectorClient
    from gosonde.audit import AuditRow
    from gosonde.collector_client import CollectorClient
    from gosonde.escapes import EscapeLine, EscapingValue, FindingEscapes, MissingFunction, PushedEscapes
    from gosonde.explanations import (
        Contention,
        Explanation,
        Listing,
        Persistence,
        PushedTrace,
        Sign,
        Stack,
        StackFrame,
    )
    from gosonde.proofs import HeldBy, Proof, Searched, SearchedSite
    from gosonde.rows import (
        Estimate,
        Finding,
        GcRow,
        Muted,
        ParkRow,
        Pause,
        PerSecond,
        ProcessName,
        ProcessRow,
        Pushed,
        Shared,
        SiteName,
        SiteRow,
        Step,
        TimersFound,
        TimersRow,
        Work,
    )
    from gosonde.transport.access import Access
    from gosonde.transport.aio import AsyncStream
    from gosonde.transport.connection import Stream
    from gosonde.witness_numbers import WitnessNumbers

__all__ = [
    "AGENT_ADDRESS",
    "COLLECTOR_ADDRESS",
    "Access",
    "AgeBar",
    "AgentClient",
    "Ages",
    "AsyncAgentClient",
    "AsyncCollectorClient",
    "AsyncStream",
    "AuditRow",
    "ClientTls",
    "CollectorClient",
    "Container",
    "Contention",
    "EscapeLine",
    "EscapingValue",
    "Estimate",
    "Explanation",
    "Finding",
    "FindingEscapes",
    "ForbiddenError",
    "GcRow",
    "GosondeError",
    "HeldBy",
    "HostSeen",
    "InvalidInputError",
    "LabelShare",
    "Listing",
    "MissingFunction",
    "Muted",
    "NotFoundError",
    "OverloadedError",
    "ParkRow",
    "Pause",
    "PendingTimers",
    "PerSecond",
    "Persistence",
    "ProcessName",
    "ProcessRow",
    "Proof",
    "Pushed",
    "PushedEscapes",
    "PushedTrace",
    "SearchOutcome",
    "Searched",
    "SearchedSite",
    "Shared",
    "Sign",
    "SiteName",
    "SiteRow",
    "Stack",
    "StackFrame",
    "Step",
    "Stream",
    "TimerGroup",
    "TimerKind",
    "TimersFound",
    "TimersRow",
    "UnauthenticatedError",
    "UnavailableError",
    "UnsupportedError",
    "UsageError",
    "WitnessNumbers",
    "Work",
    "__version__",
]

#: Where public names are looked for, in this order: what imports gRPC comes last.
_MODULES: Final = (
    "gosonde_common.addresses",
    "gosonde_common.errors",
    "gosonde_common.values.ages",
    "gosonde_common.values.containers",
    "gosonde_common.values.http",
    "gosonde_common.values.labels",
    "gosonde_common.values.timers",
    "gosonde.rows",
    "gosonde.witness_numbers",
    "gosonde.audit",
    "gosonde.escapes",
    "gosonde.proofs",
    "gosonde.explanations",
    "gosonde_common.values.reachability",
    "gosonde.transport.access",
    "gosonde.transport.connection",
    "gosonde.transport.aio",
    "gosonde.agent_client",
    "gosonde.collector_client",
    "gosonde.aio.agent_client",
    "gosonde.aio.collector_client",
)


def __getattr__(name: str) -> object:
    """A public name, from the first module that has it; it is kept."""
    if name in __all__:
        for place in _MODULES:
            module = import_module(place)
            if hasattr(module, name):
                return globals().setdefault(name, getattr(module, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
