"""What a trace counted, as one JSON document; docs/json.md describes it."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import NotFoundError
from gosonde_common.staleness import is_stale

from gosonde_cli import rates

if TYPE_CHECKING:
    from gosonde_agent.watch.trace.seen import Trace

#: Of an estimate: what is summed where several are of one statement.
ESTIMATED = ("created", "created_low", "created_high", "exited", "exited_low", "exited_high")


def as_document(result: "Trace") -> dict[str, Any]:
    """The JSON document; docs/json.md describes it."""
    process = result.process
    if process is None:
        raise NotFoundError("the process was never seen")
    age_ns = max(steady_unix_nano() - result.observed_unix_nano, 0)
    counted_ns = max((process.ended_unix_nano or result.observed_unix_nano) - process.counted_since_unix_nano, 0)
    sites = _sites(result, counted_ns)
    sums = {key: sum(site[key] for site in sites) for key in ("baseline", "created", "exited", "live")}
    return {
        "source": result.kind.name,
        "source_because": result.why,
        "source_left": result.left,
        "source_costs": result.kind.price,
        "source_cannot": list(result.kind.cannot),
        "process": {
            "pid": process.key.pid,
            "exe": process.exe,
            "go_version": process.go_version,
            "build_id": process.build_id,
            "counted_since_unix_nano": process.counted_since_unix_nano,
            "counted_from_start": process.counted_from_start,
            "precise": process.precise,
            "ended_unix_nano": process.ended_unix_nano,
            "counted_ns": counted_ns,
            "became": result.became,
            "age_ns": age_ns,
            "stale": not process.ended_unix_nano and is_stale(age_ns, 0),
        },
        "sites": sites,
        "totals": {**sums, "per_second": rates.per_second(sums, {}, counted_ns)},
        "gc": _gc(result) if result.kind.sees_stops else None,
        "cost": {
            "probe_ns": result.cost.probe_ns if result.cost else 0,
            "cpu_ns": result.cost.cpu_ns if result.cost else 0,
        },
        "lost": {name: count for name, count in result.losses.items() if not name.startswith("uplink_")},
    }


def _gc(result: "Trace") -> dict[str, Any]:
    return {
        "cycles": result.gc.cycles if result.gc else 0,
        "pause_total_ns": result.gc.gc_pause_ns if result.gc else 0,
        "pauses": [
            {"start_unix_nano": p.start_unix_nano, "duration_ns": p.duration_ns, "reason": p.reason}
            for p in sorted(result.pauses, key=lambda pause: pause.ordinal)
        ],
        "pauses_left_out": result.pauses_left_out,
    }


def _sites(result: "Trace", over_ns: int) -> list[dict[str, Any]]:
    """Rows by statement, counted for so long; several of one statement are summed."""
    totals: dict[tuple[str, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for count in result.sites:
        row = totals[count.site.function, count.site.file, count.site.line]
        row[0] += count.created
        row[1] += count.exited
        row[2] += count.baseline
    sites: list[dict[str, Any]] = [
        {"function": function, "file": file, "line": line, "baseline": b, "created": c, "exited": e, "live": b + c - e}
        for (function, file, line), (c, e, b) in totals.items()
    ]
    _add_estimates(sites, result, over_ns)
    sites.sort(key=lambda site: (-site["live"], -most_likely(site, "created"), site["function"]))
    return sites


def _add_estimates(sites: list[dict[str, Any]], result: "Trace", over_ns: int) -> None:
    """To each row its rates and what is estimated of it, and to that without a statement what the others have of it."""
    found: dict[tuple[str, str, int], dict[str, int]] = defaultdict(lambda: dict.fromkeys(ESTIMATED, 0))
    for row in result.estimates:
        own = found[row.site.function, row.site.file, row.site.line]
        own.update({name: own[name] + getattr(row, name) for name in ESTIMATED})
        own.update({name: getattr(row, name) for name in ("windows", "sampled_ns")})
    together = {name: sum(own[name] for own in found.values()) for name in ESTIMATED}
    shared = {what: together[what] for what in rates.WHAT}
    for site in sites:
        place = site["function"], site["file"], site["line"]
        if place in found:
            site["estimated"] = found[place]
        elif place == ("", "", 0) and any(shared.values()):
            site["shared"] = shared
        site["per_second"] = rates.per_second(site, together, over_ns)


def most_likely(site: dict[str, Any], what: str) -> int:
    """Creations or exits of a row, with what is estimated of it, and without what others have of it."""
    found, shared = site.get("estimated"), site.get("shared")
    number: int = site[what] + (found[what] if found else 0) - (shared[what] if shared else 0)
    return max(number, 0)
