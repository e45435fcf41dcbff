"""What `?format=json` gives. docs/web.md describes each key."""

from dataclasses import asdict
from typing import Any

from gosonde_collector.analysis.escapes import Amounts, FindingEscapes
from gosonde_collector.analysis.explanation import Explanation
from gosonde_collector.analysis.finding import TimersFound
from gosonde_collector.analysis.witnesses import Witness
from gosonde_collector.store.records import Mute
from gosonde_collector.web import finding_series
from gosonde_collector.web.finding_series import Course
from gosonde_collector.web.findings_list import Row


def finding(row: Row) -> dict[str, Any]:
    """A finding as in the list."""
    found = row.finding
    return {
        "id": found.id,
        "state": found.state,
        "confidence": found.confidence,
        "cause": found.cause,
        "remedy": found.remedy,
        "host": found.host,
        "service": row.service,
        "process": {"pid": found.process.pid, "exe": found.exe},
        "site": {"function": found.site.function, "file": found.site.file, "line": found.site.line},
        "live": found.live,
        "growth_per_second": found.growth_per_second,
        "first_seen_unix_nano": found.first_seen_unix_nano,
        "pattern": found.pattern,
        "restarts": found.restarts,
        "waits_in": found.waits_in,
        "witnesses": list(map(witness, found.witnesses)),
        "part_of": row.part_of,
        "muted": muted(row.muted) if row.muted else None,
        "age_ns": row.age_ns,
        "stale": row.is_stale,
        "timers": timers(found.timers) if found.timers else None,
        "container": found.container.document,
        "labels": list(map(asdict, found.labels)),
        "is_estimated": found.is_estimated,
        "hosts": list(map(asdict, found.hosts)),
    }


def timers(found: TimersFound) -> dict[str, Any]:
    """The timers that a finding is of."""
    values = asdict(found)
    del values["name"]
    return {**found.name._asdict(), **values}


def muted(mute: Mute) -> dict[str, Any]:
    """What mutes a finding."""
    return {
        "reason": mute.reason,
        "by": mute.by,
        "since_unix_nano": mute.since_unix_nano,
        "until_unix_nano": mute.until_unix_nano,
        "covers": "finding" if mute.finding else "function",
    }


def witness(one: Witness) -> dict[str, Any]:
    """A witness, or a sign of the garbage collector."""
    return {"name": one.name, "verdict": one.verdict, "detail": one.detail, "numbers": one.numbers}


def explained(row: Row, known: Explanation, course: Course) -> dict[str, Any]:
    """A finding with its evidence."""
    found = known.finding
    return {
        "finding": finding(row),
        "cause_reason": found.cause_reason,
        "window": {"from_unix_nano": window(known)[0], "until_unix_nano": window(known)[1]},
        "points": finding_series.documents(course),
        "precise": course.is_precise,
        "states": [{"state": state, "goroutines": count} for state, count in found.states],
        "ages": known.ages,
        "persistence": found.persistence,
        "proof": found.proof,
        "gc_signs": list(map(witness, known.gc_signs)),
        "stack_bytes": known.stack_bytes,
        "heap_bytes": known.heap_bytes,
        "escapes": known.escapes and escapes(known.escapes),
        "oldest_wait_seconds": found.oldest_wait_s,
        "stacks": [{"goroutines": count, "frames": frames} for count, frames in found.stacks],
    }


def escapes(found: FindingEscapes) -> dict[str, Any]:
    """What the compiler says of a finding's functions, with the keys of `gosonde findings --explain --json`."""
    return {
        "stored_unix_nano": found.stored_unix_nano,
        "is_detailed": found.is_detailed,
        "heap_taken_unix_nano": found.heap_taken_unix_nano,
        "lines": [
            {
                "function": line.function,
                "file": line.file,
                "line": line.line,
                "values": [{"kind": value.kind, "name": value.name, "why": value.why} for value in line.values],
                **(line.amounts._asdict() if line.amounts else dict.fromkeys(Amounts._fields)),
            }
            for line in found.lines
        ],
        "lines_left_out": found.lines_left_out,
        "missing": [{"function": function, "why": why} for function, why in found.missing],
    }


def window(known: Explanation) -> tuple[int, int]:
    """From when to when the growth was seen that was judged last; the same twice when none was."""
    until = known.finding.grew_unix_nano
    return until - known.finding.window_s * 1_000_000_000, until
