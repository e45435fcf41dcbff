"""What is written down of every change of what is probed, pulled or reloaded: who, what, when. docs/audit.md."""

from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    """What was done. docs/audit.md says of each what `detail` has."""

    AGENT_STARTED = "agent-started"
    AGENT_STOPPED = "agent-stopped"
    WATCH_BEGAN = "watch-began"
    LEVEL_CHANGED = "level-changed"
    WATCH_ENDED = "watch-ended"
    PROBES_OFF = "probes-off"
    PROBES_ON = "probes-on"
    CONFIGURATION_RELOADED = "configuration-reloaded"
    RELOAD_REFUSED = "reload-refused"
    SNAPSHOT_TAKEN = "snapshot-taken"
    SNAPSHOT_FAILED = "snapshot-failed"
    GOROUTINES_READ = "goroutines-read"
    GC_READ = "gc-read"
    MEMORY_SEARCHED = "memory-searched"
    COLLECTOR_STARTED = "collector-started"
    COLLECTOR_STOPPED = "collector-stopped"
    SNAPSHOT_ASKED = "snapshot-asked"
    PROFILE_PUSHED = "profile-pushed"
    GCTRACE_PUSHED = "gctrace-pushed"
    ESCAPES_PUSHED = "escapes-pushed"
    FINDINGS_MUTED = "findings-muted"
    FINDING_UNMUTED = "finding-unmuted"
    BACKUP_MADE = "backup-made"


class Actor(StrEnum):
    """What kind of somebody did it."""

    #: The agent by itself: it found a process, or a budget had it change a level.
    AGENT = "agent"
    #: Who asks at the agent's socket: "uid 1000 pid 4711", as the kernel noted it.
    LOCAL = "local"
    #: Who sent a signal, which the kernel does not say: the signal's name.
    SIGNAL = "signal"
    #: A collector that asks an agent: its address.
    COLLECTOR = "collector"
    #: A collector by itself.
    ITSELF = "itself"
    #: A collector's analysis, which asks for snapshots.
    ANALYSIS = "analysis"
    #: Who calls a collector over gRPC: the address, and the first digits of the digest of the token.
    CLIENT = "client"
    #: Who uses a collector's web page: the same, or the name that a proxy gives.
    PAGE = "page"


#: What a collector notes of itself, beside reloads; no agent may say it.
COLLECTORS_ACTS = frozenset(
    {
        Act.COLLECTOR_STARTED,
        Act.COLLECTOR_STOPPED,
        Act.SNAPSHOT_ASKED,
        Act.PROFILE_PUSHED,
        Act.GCTRACE_PUSHED,
        Act.ESCAPES_PUSHED,
        Act.FINDINGS_MUTED,
        Act.FINDING_UNMUTED,
        Act.BACKUP_MADE,
    }
)
COLLECTORS_ACTORS = frozenset({Actor.ITSELF, Actor.ANALYSIS, Actor.CLIENT, Actor.PAGE})

#: Characters.
MAX_WHO, MAX_EXE, MAX_DETAIL = 256, 4_096, 1_024


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act.

    Attributes:
        ordinal: Grows by one from event to event of one run of an agent or a collector. One of an agent that is missing
            was dropped, and counted.
        at_unix_nano: By the clock of who noted it.
        who: As Actor says; "" where nothing more is known.
        pid: The process that it was done to; 0 where it was none, or all.
        exe: Its executable; "" where it was not watched.
        detail: More, in words.
    """

    ordinal: int
    at_unix_nano: int
    act: Act
    actor: Actor
    who: str = ""
    pid: int = 0
    exe: str = ""
    detail: str = ""
