"""Small observations for the tests of the agent's network side."""

from gosonde_common.values.audit import Act, Actor, AuditEvent
from gosonde_common.values.observation import (
    GcCycle,
    GcTotal,
    Observation,
    ParkCount,
    Pause,
    Process,
    ProcessKey,
    Site,
    SiteCount,
    SiteEstimate,
)


def process(pid: int = 1, *, ended_unix_nano: int = 0, exec_epoch: int = 0) -> Process:
    return Process(
        key=ProcessKey("boot", pid, 7, exec_epoch),
        exe=f"/bin/{pid}",
        go_version="go1.27.3",
        build_id=f"build-{pid}",
        started_unix_nano=1,
        counted_since_unix_nano=2,
        counted_from_start=False,
        ended_unix_nano=ended_unix_nano,
    )


def site(of: Process, pc: int) -> Site:
    return Site(of.build_id, pc, f"main.f{pc}", "/src/main.go", pc % 1000, f"main.f{pc}.func1")


def count(of: Process, pc: int, created: int, exited: int = 0) -> SiteCount:
    return SiteCount(of.key, site(of, pc), created, exited)


def pause(of: Process, ordinal: int) -> Pause:
    return Pause(of.key, ordinal, 1000 + ordinal, 10, "GC mark termination")


def cycle(of: Process, ordinal: int) -> GcCycle:
    return GcCycle(of.key, ordinal, 1000 + ordinal, 1010 + ordinal)


def total(of: Process, cycles: int) -> GcTotal:
    return GcTotal(of.key, cycles, 2 * cycles, 20 * cycles)


def park(of: Process, parked: int, reason: str = "chan receive") -> ParkCount:
    return ParkCount(of.key, reason, parked, 50 * parked, 40 * parked, None, 3, 30_000_000, 6_000_000_000)


def estimate(of: Process, pc: int, created: int) -> SiteEstimate:
    bounds = created, created // 2, 2 * created
    return SiteEstimate(of.key, site(of, pc), *bounds, *bounds, 3, 30_000_000)


def act(ordinal: int, exe: str = "/bin/1") -> AuditEvent:
    return AuditEvent(ordinal, 1000 + ordinal, Act.PROBES_OFF, Actor.LOCAL, "uid 1000 pid 4711", 1, exe, f"of {exe}")


def observed(*processes: Process, taken: int = 1, **tables: tuple[object, ...]) -> Observation:
    return Observation(taken_unix_nano=taken, processes=processes, **tables)  # type: ignore[arg-type]
