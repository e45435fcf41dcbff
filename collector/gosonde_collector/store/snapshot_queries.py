# ruff: noqa: S608 - these statements are put together from constants of this file and of `queries` alone
"""Questions about snapshots."""

from typing import Final

from gosonde_collector.store.queries import ITS

#: The newest $7 snapshots of a process's memory.
_NEWEST: Final = f"""
WITH newest AS (
    SELECT snapshot_id, taken_unix_nano FROM snapshots
    WHERE {ITS} AND format = 'memory'
    ORDER BY taken_unix_nano DESC LIMIT $7
)"""

#: What goroutines that were created at one line did, in each of the newest snapshots of a process's memory.
STATES_SEEN: Final = f"""
{_NEWEST}
SELECT s.taken_unix_nano, g.created_function, g.created_file, g.created_line, g.state, sum(g.goroutines)::BIGINT
FROM newest AS s JOIN snapshot_groups AS g ON g.snapshot_id = s.snapshot_id AND g.created_line = $6
GROUP BY ALL ORDER BY 1 DESC, 6 DESC, 5
"""

#: In which of the newest snapshots of its memory each of some goroutines of a process was first.
FIRST_SEEN: Final = f"""
{_NEWEST},
found AS (
    SELECT s.taken_unix_nano, unnest(list_intersect(g.goids, $8::BIGINT[])) AS goid
    FROM newest AS s JOIN snapshot_groups AS g ON g.snapshot_id = s.snapshot_id AND g.created_line = $6
        AND list_min(g.goids) <= list_max($8::BIGINT[])
)
SELECT goid, min(taken_unix_nano) FROM found GROUP BY goid
"""

#: The newest snapshots of goroutines of each process, of each kind apart, those read from memory apart too.
SNAPSHOT_HEADS: Final = """
SELECT host, boot_id, pid, start_ticks, exec_epoch, kind, format = 'memory', snapshot_id, taken_unix_nano
FROM snapshots
QUALIFY row_number() OVER (
    PARTITION BY host, boot_id, pid, start_ticks, exec_epoch, kind, format = 'memory'
    ORDER BY taken_unix_nano DESC, stored_unix_nano DESC
) <= $1
ORDER BY taken_unix_nano DESC, stored_unix_nano DESC
"""

#: The newest profiles of one process, all that there are ($6 is '') or one of them; and how many there are in all.
PROFILES: Final = f"""
WITH its AS (
    SELECT *, count(*) OVER () AS known FROM snapshots
    WHERE {ITS} AND $6 IN ('', snapshot_id)
    ORDER BY taken_unix_nano DESC, stored_unix_nano DESC LIMIT $7
)
SELECT its.snapshot_id, kind, format, taken_unix_nano, stored_unix_nano,
    coalesce(goroutines, 0), coalesce(groups, 0), known
FROM its LEFT JOIN (
    SELECT snapshot_id, sum(goroutines) AS goroutines, count(*) AS groups FROM snapshot_groups
    WHERE snapshot_id IN (SELECT snapshot_id FROM its) GROUP BY snapshot_id
) AS g ON g.snapshot_id = its.snapshot_id
ORDER BY taken_unix_nano DESC, stored_unix_nano DESC
"""

SNAPSHOT: Final = """
SELECT s.snapshot_id, s.taken_unix_nano, s.format, s.kind, g.goroutines, g.functions, g.files, g.lines,
    g.created_function, g.created_file, g.created_line, g.state, g.wait_s, g.goids, g.stack_bytes
FROM (SELECT * FROM snapshots WHERE snapshot_id = $1) AS s
JOIN snapshot_groups AS g ON g.snapshot_id = s.snapshot_id
ORDER BY g.position
"""

SNAPSHOT_LABELS: Final = "SELECT comments FROM snapshot_labels WHERE snapshot_id = $1"

NEWEST_SAMPLES: Final = f"""
SELECT s.taken_unix_nano, g.functions, g.files, g.lines, g.amounts
FROM (
    SELECT * FROM snapshots
    WHERE {ITS} AND kind = $6
    ORDER BY taken_unix_nano DESC, stored_unix_nano DESC LIMIT 1
) AS s
JOIN snapshot_samples AS g ON g.snapshot_id = s.snapshot_id
ORDER BY g.position
"""
