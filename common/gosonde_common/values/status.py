"""How the agent is, as plain values. Protobuf appears only in `wire`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UplinkStatus:
    """How sending to the collector goes.

    Attributes:
        collector: Address of the collector in use or tried last; empty when none is configured.
        last_sequence: Number of the newest batch that was sent; 0 before the first.
        acknowledged_sequence: Every batch up to this one was acknowledged or sent again under a later number.
        error: Why there is no connection; empty when there is one or none was tried.
    """

    collector: str = ""
    connected: bool = False
    last_sequence: int = 0
    acknowledged_sequence: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What GetStatus answers.

    Attributes:
        no_probes_because: Why the agent may place no probes, so that all have level memory; empty when it may.
    """

    agent_id: str
    agent_version: str
    host: str
    started_unix_nano: int
    uplink: UplinkStatus
    no_probes_because: str = ""
