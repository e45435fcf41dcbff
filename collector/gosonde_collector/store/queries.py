# ruff: noqa: S608 - these statements are put together from constants of this file alone; values are always bound
"""The embedded store's questions, in SQL that ClickHouse understands with little change.

`$1`, `$2` stand for values in the order of the method's arguments; an empty text or a pid of 0 matches everything.
"""

from typing import Final

from gosonde_common.values.observation import NAMELESS_PC
from gosonde_common.wire.runtime import READINGS

from gosonde_collector.model.values import Estimate
from gosonde_collector.store import newest_totals

#: Totals never fall, so the highest is the latest whatever the order of arrival. A baseline is narrowed down: the
#: newest is the best. Of
#: the processes in the table `chosen`; $1 is from when on rows are read: see newest_totals.SINCE.
TOTALS: Final = f"""
    SELECT process, pc, max(created) AS created, max(exited) AS exited, arg_max(baseline, sequence) AS baseline
    FROM ({newest_totals.ROWS.format(since="$1")}) GROUP BY process, pc
"""

#: An estimate may fall, so the newest is the best whatever its value.
ESTIMATES: Final = """
    SELECT * FROM site_estimates WHERE process IN (SELECT process FROM chosen)
    QUALIFY row_number() OVER (PARTITION BY process, pc ORDER BY sequence DESC) = 1
"""

CHOSEN: Final = """SELECT * FROM known_processes WHERE ($1 = '' OR host = $1) AND ($2 = 0 OR pid = $2)
    AND ($3 = '' OR namespace = $3) AND ($4 = '' OR pod = $4) AND ($5 = '' OR workload = $5)"""

#: Of one process.
ITS: Final = "host = $1 AND boot_id = $2 AND pid = $3 AND start_ticks = $4 AND exec_epoch = $5"

KEY: Final = "p.boot_id, p.pid, p.start_ticks, p.exec_epoch"

DETAILS: Final = f"""{KEY}, p.exe, p.go_version, p.build_id, p.started_unix_nano, p.counted_since_unix_nano,
    p.counted_from_start, p.ended_unix_nano, p.level, p.refusal, p.precise, p.sums,
    p.step_unix_nano, p.step_level, p.step_reason, p.step_ppm,
    p.container_id, p.pod_uid, p.namespace, p.pod, p.container, p.workload"""


#: In the order of RuntimeFigures; NULL where nothing is known of a process.
RUNTIME: Final = ", ".join(f"f.{name}" for name in READINGS)
#: In the order of Estimate.
ESTIMATED: Final = ", ".join(f"e.{name}" for name in Estimate._fields)
#: The amounts alone.
ESTIMATED_BEFORE: Final = ", ".join(f"coalesce(o.{name}, 0)" for name in Estimate._fields[:6])


def chosen(all_runs: bool) -> str:
    """Makes the table of selected processes; of those that only a former run of the agent counted too, when asked."""
    selected = CHOSEN.replace("known_processes", "all_processes") if all_runs else CHOSEN
    return f"CREATE TEMP TABLE chosen AS {selected}"


#: Of a BIGINT.
LARGEST: Final = 2**63 - 1


def _sum(column: str) -> str:
    """One agent can say anything: what is larger than the type is reported as the largest, and spoils no other row."""
    return f"least(sum({column}), {LARGEST})::BIGINT"


def processes_of(totals: str) -> str:
    """Every process in `chosen` with the sums of its sites."""
    return f"""
SELECT p.host, {DETAILS}, coalesce(t.created, 0), coalesce(t.exited, 0), coalesce(t.baseline, 0),
    p.last_taken_unix_nano, coalesce(c.target_ppm, 0), coalesce(c.core_ppm, 0),
    p.last_stored_unix_nano, coalesce(p.interval_ns, 0), {RUNTIME}
FROM chosen AS p
LEFT JOIN (
    SELECT process, {_sum("created")} AS created, {_sum("exited")} AS exited, {_sum("baseline")} AS baseline
    FROM ({totals}) GROUP BY process
) AS t ON t.process = p.process
LEFT JOIN (
    SELECT process, arg_max(target_ppm, sequence) AS target_ppm, arg_max(core_ppm, sequence) AS core_ppm
    FROM probe_costs WHERE process IN (SELECT process FROM chosen) GROUP BY process
) AS c ON c.process = p.process
LEFT JOIN (
    SELECT r.* FROM runtime_readings AS r
    JOIN (
        SELECT process, max(sequence) AS sequence FROM runtime_readings
        WHERE process IN (SELECT process FROM chosen) GROUP BY process
    ) AS newest
    ON newest.process = r.process AND newest.sequence = r.sequence
) AS f ON f.process = p.process
ORDER BY p.ended_unix_nano > 0, p.started_unix_nano DESC, p.pid, p.host, p.process
"""


PROCESSES: Final = processes_of(TOTALS)

#: How long before the latest observation of a process its sites' totals are taken for rates.
RATES_NS: Final = newest_totals.RATES_NS
#: Observations of a process are no further apart, unless its agent's interval is longer than a third of it.
APART_NS: Final = 15_000_000_000
#: No interval is longer, whatever an agent says.
LONGEST_NS: Final = 3_600_000_000_000

#: The totals of each site, and as they were then. What did not change has no row: the newest row up to then counts.
TOTALS_AND_BEFORE: Final = f"""
    SELECT c.process, c.pc, max(c.created) AS created, max(c.exited) AS exited,
        arg_max(c.baseline, c.sequence) AS baseline,
        max(c.taken_unix_nano) FILTER (c.taken_unix_nano <= m.moment) AS taken,
        max(c.created) FILTER (c.taken_unix_nano <= m.moment) AS created_before,
        max(c.exited) FILTER (c.taken_unix_nano <= m.moment) AS exited_before
    FROM ({newest_totals.ROWS.format(since="$1")}) AS c JOIN (
        SELECT h.process, m.moment FROM chosen AS h LEFT JOIN moments AS m ON m.process = h.process
    ) AS m ON m.process = c.process
    GROUP BY c.process, c.pc
"""

#: From totals as they were then to the latest.
BEFORE: Final = f"""
moments AS (
    SELECT process, greatest(last_taken_unix_nano, 0) AS until, greatest(counted_since_unix_nano, 0) AS since,
        greatest(last_taken_unix_nano, 0) - {RATES_NS} AS moment,
        greatest({APART_NS}, 3 * least(coalesce(interval_ns, 0), {LONGEST_NS})) AS apart
    FROM chosen WHERE ended_unix_nano = 0
),
totals AS MATERIALIZED ({{totals}}),
estimates_before AS (
    SELECT c.* FROM moments AS m JOIN site_estimates AS c ON c.process = m.process AND c.taken_unix_nano <= m.moment
    QUALIFY row_number() OVER (PARTITION BY c.process, c.pc ORDER BY c.sequence DESC) = 1
),
periods AS (
    SELECT m.process,
        CASE WHEN count(b.taken) = 0 THEN m.until - m.since
        ELSE m.until - greatest(max(b.taken), m.moment - m.apart) END AS over_ns
    FROM moments AS m LEFT JOIN totals AS b ON b.process = m.process
    GROUP BY m.process, m.until, m.since, m.moment, m.apart
)"""


def sites_of(totals: str) -> str:
    """Every site of the processes in `chosen` with its totals (see TOTALS_AND_BEFORE), and what they were before.

    What is estimated of it is NULL for nothing, and `over_ns` where nobody asks for what was before.
    """
    return f"""
WITH estimates AS ({ESTIMATES}), {BEFORE.format(totals=totals)}
SELECT p.host, {KEY}, p.exe, p.build_id, t.pc, coalesce(n.function, ''), coalesce(n.file, ''), coalesce(n.line, 0),
    coalesce(n.start_function, ''), t.created, t.exited, t.baseline, coalesce(s.created, 0), coalesce(s.exited, 0),
    {ESTIMATED}, d.over_ns, coalesce(t.created_before, 0), coalesce(t.exited_before, 0), {ESTIMATED_BEFORE}
FROM totals AS t
JOIN chosen AS p ON p.process = t.process
LEFT JOIN periods AS d ON d.process = t.process
LEFT JOIN estimates_before AS o ON o.process = t.process AND o.pc = t.pc
LEFT JOIN known_sites AS n ON n.build_id = p.build_id AND n.pc = t.pc
LEFT JOIN estimates AS e ON e.process = t.process AND e.pc = t.pc
LEFT JOIN (
    SELECT process, {_sum("created")} AS created, {_sum("exited")} AS exited FROM estimates GROUP BY process
) AS s ON s.process = t.process AND t.pc = {NAMELESS_PC}
ORDER BY p.ended_unix_nano > 0, t.baseline + t.created - t.exited DESC,
    t.created + coalesce(e.created, 0) - coalesce(s.created, 0) DESC, p.host, p.pid, t.pc
"""


SITES: Final = sites_of(TOTALS_AND_BEFORE)


#: The newest estimates: a bound may fall with each window.
PARKS: Final = f"""
SELECT p.host, {KEY}, p.exe, t.wait_reason, t.parks, t.parks_low, t.parks_high, t.windows, t.sampled_ns, t.covered_ns
FROM (
    SELECT * FROM park_counters
    QUALIFY row_number() OVER (PARTITION BY process, wait_reason ORDER BY sequence DESC) = 1
) AS t
JOIN ({CHOSEN}) AS p ON p.process = t.process
WHERE t.windows > 0
ORDER BY p.ended_unix_nano > 0, t.parks DESC, p.host, p.pid, t.wait_reason
"""

#: The batch that took least, of those that were stored in the last five minutes in which any was.
CLOCK_OFFSETS: Final = """
SELECT host, max(taken_unix_nano - stored_unix_nano) FROM batches
WHERE stored_unix_nano >= (SELECT max(stored_unix_nano) FROM batches) - 300000000000 GROUP BY host
"""

GC_TOTALS: Final = f"""
SELECT p.host, {KEY}, p.exe, max(t.cycles) FROM gc_totals AS t
JOIN known_processes AS p ON p.process = t.process AND p.ended_unix_nano = 0
GROUP BY ALL
"""

LOSSES: Final = f"""
SELECT host, name, {_sum("total")} FROM (
    SELECT r.host, r.agent_id, l.name, max(l.total) AS total FROM losses AS l
    JOIN runs AS r ON r.agent_id = l.agent_id AND r.agent_epoch = l.agent_epoch AND r.current = 1
    GROUP BY r.host, r.agent_id, l.name
) GROUP BY host, name ORDER BY host, name
"""

#: A pause belongs to a cycle when the two have a moment in common. A cycle whose number was not read has one where the
#: nearest before and after it agree, and before the first that was read: without probes some cycles are not counted.
GC_CYCLES: Final = f"""
WITH chosen AS ({CHOSEN}),
every AS (
    SELECT process, ordinal, max(start_unix_nano) AS start_unix_nano, max(end_unix_nano) AS end_unix_nano,
        max(heap_before_bytes) AS heap_before_bytes, max(heap_after_bytes) AS heap_after_bytes,
        max(heap_marked_bytes) AS heap_marked_bytes, max(heap_goal_bytes) AS heap_goal_bytes,
        nullif(max(number), 0) - ordinal AS ahead
    FROM gc_cycles WHERE process IN (SELECT process FROM chosen) GROUP BY process, ordinal
),
cycles AS (
    SELECT *, last_value(ahead IGNORE NULLS) OVER (
            PARTITION BY process ORDER BY ordinal ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS ahead_before, first_value(ahead IGNORE NULLS) OVER (
            PARTITION BY process ORDER BY ordinal ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS ahead_after
    FROM every
    QUALIFY row_number() OVER (PARTITION BY process ORDER BY ordinal DESC) <= $6
),
stops AS (
    SELECT process, ordinal, max(start_unix_nano) AS start_unix_nano, max(duration_ns) AS duration_ns,
        max(reason) AS reason
    FROM pauses WHERE process IN (SELECT process FROM chosen) GROUP BY process, ordinal
)
SELECT p.host, {KEY}, p.exe, c.ordinal, c.start_unix_nano, c.end_unix_nano,
    c.heap_before_bytes, c.heap_after_bytes, c.heap_marked_bytes, c.heap_goal_bytes,
    CASE WHEN coalesce(c.ahead_before, c.ahead_after) = c.ahead_after THEN c.ordinal + c.ahead_after ELSE 0 END,
    s.start_unix_nano, s.duration_ns, s.reason
FROM cycles AS c
JOIN chosen AS p ON p.process = c.process
LEFT JOIN stops AS s ON s.process = c.process AND s.start_unix_nano <= c.end_unix_nano
    AND s.start_unix_nano + s.duration_ns >= CASE WHEN c.start_unix_nano = 0 THEN c.end_unix_nano
        ELSE c.start_unix_nano END
ORDER BY c.end_unix_nano DESC, p.host, p.pid, c.ordinal, s.start_unix_nano
"""

#: Of one process, in columns: what was reported from a moment on.
CYCLES: Final = """
SELECT max(end_unix_nano) AS end_unix_nano, max(heap_marked_bytes) AS marked_bytes, max(heap_goal_bytes) AS goal_bytes
FROM gc_cycles WHERE process = $1 AND taken_unix_nano >= $2 GROUP BY ordinal ORDER BY 1
"""
PAUSES: Final = """
SELECT max(start_unix_nano) AS start_unix_nano, max(duration_ns) AS duration_ns
FROM pauses WHERE process = $1 AND taken_unix_nano >= $2 GROUP BY ordinal ORDER BY 1
"""

#: When the run of the agent that counts a process sent anything.
HEARD: Final = """
SELECT b.taken_unix_nano FROM batches AS b
JOIN (SELECT DISTINCT host, agent_id, agent_epoch FROM processes WHERE process = $1) AS p
ON p.host = b.host AND p.agent_id = b.agent_id AND p.agent_epoch = b.agent_epoch
WHERE b.taken_unix_nano >= $2 ORDER BY 1
"""

#: In the order of `processes`.
KEYS: Final = f"""
SELECT {KEY} FROM ({CHOSEN}) AS p ORDER BY p.ended_unix_nano > 0, p.started_unix_nano DESC, p.pid, p.host, p.process
"""

RUNNING: Final = f"""
SELECT p.process, p.host, {DETAILS}, p.last_taken_unix_nano FROM known_processes AS p WHERE p.ended_unix_nano = 0
"""

#: The newest search of each process that runs, and of each site what the newest one that named it found.
SEARCHES: Final = """
SELECT s.process, s.searched_unix_nano, s.scans, s.undecided FROM searches AS s
JOIN known_processes AS p ON p.process = s.process AND p.ended_unix_nano = 0
QUALIFY row_number() OVER (PARTITION BY s.process ORDER BY s.sequence DESC) = 1
"""

PROOFS: Final = """
SELECT t.process, t.pc, t.searched_unix_nano, t.scans, t.examined, t.proved, t.probable, t.oldest_wait_ns,
    t.retained_stack_bytes, t.retained_heap_bytes, h.path, h.goroutines
FROM (
    SELECT * FROM proofs QUALIFY row_number() OVER (PARTITION BY process, pc ORDER BY sequence DESC) = 1
) AS t
LEFT JOIN holders AS h ON h.process = t.process AND h.pc = t.pc AND h.sequence = t.sequence
ORDER BY t.process, t.pc, h.goroutines DESC, h.path
"""

#: The same of one process, whether it runs or not: the process's number first.
THIS: Final = f"SELECT {{columns}} FROM known_processes WHERE {ITS}"
_THIS: Final = f"({THIS.format(columns='process')})"
SEARCH: Final = f"""
SELECT process, searched_unix_nano, scans, undecided FROM searches WHERE process IN {_THIS}
ORDER BY sequence DESC LIMIT 1
"""
SEARCH_PROOFS: Final = PROOFS.replace("FROM proofs", f"FROM proofs WHERE process IN {_THIS}")

#: A reading of pending timers.
_TIMERS_READ: Final = """read_unix_nano, unread, pending, others, other_groups, changing, unproved,
    stands_for_thousandths, heap_unread, group_callback, group_waits_in, group_kind, group_pending, group_next_in_ns,
    group_period_ns, group_retained_heap_bytes, group_lasting"""
#: The readings of the pending timers of one process up to its newest, and from so many nanoseconds before that on.
TIMERS: Final = f"""
SELECT {_TIMERS_READ}
FROM (
    SELECT *, max(taken_unix_nano) OVER () AS newest FROM timer_readings WHERE process IN {_THIS}
) AS t
WHERE taken_unix_nano >= newest - $6 ORDER BY sequence
"""

#: The newest reading of each process that runs, unless it is older than the process's newest batch by more than $1.
NEWEST_TIMERS: Final = f"""
SELECT process, {_TIMERS_READ} FROM timer_readings JOIN (
    SELECT t.process, max(t.sequence) AS sequence FROM timer_readings AS t
    JOIN known_processes AS p ON p.process = t.process
    WHERE p.ended_unix_nano = 0 AND t.taken_unix_nano >= p.last_taken_unix_nano - $1 GROUP BY t.process
) USING (process, sequence)
"""

#: Of each selected site: the rows of the period, and before them one base row: the latest before the period, or,
#: for a site that had none, zero at the beginning of counting.
_STEPS: Final = """
WITH running AS (
    SELECT *, last_taken_unix_nano - $1 AS since_unix_nano FROM known_processes WHERE ended_unix_nano = 0
),
chosen AS ({chosen}),
own AS MATERIALIZED (
    SELECT c.* FROM chosen AS h JOIN site_counters AS c ON c.process = h.process AND c.pc = h.pc
),
recent AS (
    SELECT h.process, h.pc, c.sequence, c.taken_unix_nano, c.created, c.exited, c.baseline, c.mismatch
    FROM chosen AS h JOIN running AS p ON p.process = h.process
    JOIN own AS c ON c.process = h.process AND c.pc = h.pc AND c.taken_unix_nano >= p.since_unix_nano
),
base AS (
    SELECT h.process, h.pc, coalesce(max(c.sequence), 0) AS sequence,
        coalesce(max(c.taken_unix_nano), max(p.counted_since_unix_nano)) AS taken_unix_nano,
        coalesce(max(c.created), 0) AS created, coalesce(max(c.exited), 0) AS exited,
        coalesce(arg_max(c.baseline, c.sequence), 0) AS baseline,
        coalesce(arg_max(c.mismatch, c.sequence), 0) AS mismatch
    FROM chosen AS h JOIN running AS p ON p.process = h.process
    LEFT JOIN own AS c ON c.process = h.process AND c.pc = h.pc AND c.taken_unix_nano < p.since_unix_nano
    GROUP BY h.process, h.pc
)
SELECT process, pc, sequence, taken_unix_nano, created, exited, baseline, mismatch FROM recent
UNION ALL SELECT process, pc, sequence, taken_unix_nano, created, exited, baseline, mismatch FROM base
ORDER BY 1, 2, 3
"""

SOME_STEPS: Final = _STEPS.format(chosen="SELECT unnest($2::BIGINT[]) AS process, unnest($3::UBIGINT[]) AS pc")

SITE_STEPS: Final = _STEPS.format(
    chosen="""
    SELECT process, $7::UBIGINT AS pc FROM running
    WHERE host = $2 AND boot_id = $3 AND pid = $4 AND start_ticks = $5 AND exec_epoch = $6
"""
)

#: What was estimated of some sites in the period up to the newest estimate of each, and last before it.
SOME_ESTIMATES: Final = f"""
WITH chosen AS (SELECT unnest($2::BIGINT[]) AS process, unnest($3::UBIGINT[]) AS pc),
found AS (
    SELECT s.*, s.taken_unix_nano >= max(s.taken_unix_nano) OVER (PARTITION BY s.process, s.pc) - $1 AS is_recent
    FROM chosen AS h JOIN site_estimates AS s ON s.process = h.process AND s.pc = h.pc
)
SELECT e.process, e.pc, e.taken_unix_nano, {ESTIMATED} FROM found AS e
QUALIFY e.is_recent OR row_number() OVER (PARTITION BY e.process, e.pc, e.is_recent ORDER BY e.sequence DESC) = 1
ORDER BY e.process, e.pc, e.sequence
"""

#: The totals that held before the period, of each site that had any.
BASE_COUNTERS: Final = """
SELECT c.process, c.pc, max(c.taken_unix_nano) AS taken_unix_nano, max(c.created) AS created, max(c.exited) AS exited,
    arg_max(c.baseline, c.sequence) AS baseline, arg_max(c.mismatch, c.sequence) AS mismatch
FROM known_processes AS p
JOIN site_counters AS c ON c.process = p.process AND c.taken_unix_nano < p.last_taken_unix_nano - $1
WHERE p.ended_unix_nano = 0
GROUP BY c.process, c.pc
ORDER BY 1, 2
"""

OLDEST_STORED: Final = "SELECT min(stored_unix_nano) FROM batches"
NEWEST_STORED: Final = "SELECT coalesce(max(stored_unix_nano), 0) FROM batches"

#: Behind which moment everything of the period was stored.
BASE_STORED: Final = """
SELECT coalesce(min(stored_unix_nano), 1) - 1 FROM batches
WHERE taken_unix_nano >= (SELECT min(last_taken_unix_nano) - $1 FROM known_processes WHERE ended_unix_nano = 0)
"""

#: Up to when the next so many batches were stored (and those stored with them), and the earliest time in them.
NEXT_BATCHES: Final = """
SELECT max(stored_unix_nano), min(taken_unix_nano) FROM batches
WHERE stored_unix_nano > $1 AND stored_unix_nano <= (
    SELECT max(stored_unix_nano)
    FROM (SELECT stored_unix_nano FROM batches WHERE stored_unix_nano > $1 ORDER BY stored_unix_nano LIMIT $2)
)
"""

#: The rows in those batches. The times keep the store from looking at what is older.
NEW_COUNTERS: Final = """
WITH fresh AS (
    SELECT host, agent_id, agent_epoch, min(sequence) AS first, max(sequence) AS last
    FROM batches WHERE stored_unix_nano > $1 AND stored_unix_nano <= $2 GROUP BY host, agent_id, agent_epoch
)
SELECT c.process, c.pc, c.taken_unix_nano, c.created, c.exited, c.baseline, c.mismatch
FROM (
    SELECT DISTINCT p.process, f.first, f.last FROM fresh AS f
    JOIN processes AS p ON p.host = f.host AND p.agent_id = f.agent_id AND p.agent_epoch = f.agent_epoch
) AS n
JOIN site_counters AS c ON c.process = n.process AND c.sequence BETWEEN n.first AND n.last
WHERE c.taken_unix_nano >= $3
ORDER BY c.process, c.sequence
"""

FINDINGS: Final = """
SELECT id, updated_unix_nano, document FROM findings
QUALIFY row_number() OVER (PARTITION BY id ORDER BY updated_unix_nano DESC) = 1
"""

REPORTED: Final = "SELECT receiver, finding, document FROM reported"
MUTES: Final = "SELECT finding, service, function, reason, muted_by, since_unix_nano, until_unix_nano FROM mutes"

AUDIT: Final = """
SELECT host, agent_id, agent_epoch, stored_unix_nano, ordinal, at_unix_nano, act, actor, who, pid, exe, detail
FROM audit_events WHERE ($1 = '' OR host = $1) AND ($2 = 0 OR pid = $2) AND stored_unix_nano >= $3
ORDER BY stored_unix_nano DESC, agent_epoch, ordinal DESC, host, agent_id LIMIT $4
"""
