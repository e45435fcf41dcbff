-- Rows are appended and, past their age, deleted; none is updated. What is current is the newest row. Types are those
-- that DuckDB and ClickHouse share. `process` is the number that store/identity.py gives one process image of one run
-- of an agent: totals count from zero in each.

CREATE TABLE IF NOT EXISTS schema_version (version BIGINT);

-- One row per stored batch.
CREATE TABLE IF NOT EXISTS batches (
    agent_id VARCHAR, agent_epoch VARCHAR, host VARCHAR, agent_version VARCHAR,
    agent_run BIGINT, previous_end VARCHAR,
    sequence BIGINT, taken_unix_nano BIGINT, stored_unix_nano BIGINT, interval_ns BIGINT
);

-- A row for each change of what is known of a process. Empty texts stand for what is not known of its container.
CREATE TABLE IF NOT EXISTS processes (
    process BIGINT, agent_id VARCHAR, agent_epoch VARCHAR, sequence BIGINT, stored_unix_nano BIGINT,
    host VARCHAR, boot_id VARCHAR, pid BIGINT, start_ticks BIGINT, exec_epoch BIGINT,
    exe VARCHAR, go_version VARCHAR, build_id VARCHAR,
    started_unix_nano BIGINT, counted_since_unix_nano BIGINT, counted_from_start BIGINT, ended_unix_nano BIGINT,
    level VARCHAR, refusal VARCHAR, precise BIGINT,
    step_unix_nano BIGINT[], step_level VARCHAR[], step_reason VARCHAR[], step_ppm BIGINT[], sums BIGINT,
    container_id VARCHAR, pod_uid VARCHAR, namespace VARCHAR, pod VARCHAR, container VARCHAR, workload VARCHAR
);

CREATE TABLE IF NOT EXISTS site_names (
    build_id VARCHAR, pc UBIGINT, function VARCHAR, file VARCHAR, line BIGINT, start_function VARCHAR,
    stored_unix_nano BIGINT
);

CREATE TABLE IF NOT EXISTS site_counters (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT, pc UBIGINT, created BIGINT, exited BIGINT,
    baseline BIGINT, mismatch BIGINT
);

-- What of the totals at pc 0 was probably at a site. The newest row is the best, and may be lower than the one before.
CREATE TABLE IF NOT EXISTS site_estimates (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT, pc UBIGINT,
    created BIGINT, created_low BIGINT, created_high BIGINT, exited BIGINT, exited_low BIGINT, exited_high BIGINT,
    windows BIGINT, sampled_ns BIGINT
);

-- Estimates of the parks in `covered_ns`. A parks_high of 0: nothing bounds them from above. Without windows there is no
-- estimate: a former version counted `parked` all the time.
CREATE TABLE IF NOT EXISTS park_counters (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT, wait_reason VARCHAR, parked BIGINT,
    parks BIGINT, parks_low BIGINT, parks_high BIGINT, windows BIGINT, sampled_ns BIGINT, covered_ns BIGINT
);

-- (process, ordinal) identifies a pause and a cycle; a row may be there more than once. A heap or a number that is not known is 0.
CREATE TABLE IF NOT EXISTS pauses (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT, ordinal BIGINT,
    start_unix_nano BIGINT, duration_ns BIGINT, reason VARCHAR
);

CREATE TABLE IF NOT EXISTS gc_cycles (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT, ordinal BIGINT,
    start_unix_nano BIGINT, end_unix_nano BIGINT,
    heap_before_bytes BIGINT, heap_after_bytes BIGINT, heap_marked_bytes BIGINT, heap_goal_bytes BIGINT,
    number BIGINT
);

CREATE TABLE IF NOT EXISTS gc_totals (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT, cycles BIGINT, pauses BIGINT, gc_pause_ns BIGINT
);

-- What its probes cost a process: totals, and of the last seconds parts per million of its CPU time and of one core.
CREATE TABLE IF NOT EXISTS probe_costs (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT,
    probe_ns BIGINT, cpu_ns BIGINT, target_ppm BIGINT, core_ppm BIGINT
);

-- What searches of a process's memory found: of its sites, of what keeps goroutines reachable (rows with the sequence of
-- their row in proofs), and of the process as a whole.
CREATE TABLE IF NOT EXISTS proofs (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT, pc UBIGINT,
    searched_unix_nano BIGINT, scans BIGINT, examined BIGINT, proved BIGINT, probable BIGINT,
    oldest_wait_ns BIGINT, retained_stack_bytes BIGINT, retained_heap_bytes BIGINT
);

CREATE TABLE IF NOT EXISTS holders (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT, pc UBIGINT, path VARCHAR[], goroutines BIGINT
);

CREATE TABLE IF NOT EXISTS searches (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT,
    searched_unix_nano BIGINT, scans BIGINT, undecided VARCHAR
);

-- Readings of the pending timers of a process. Each list has an element for each group: what is in none of a row's lists
-- has no timers, or is one of `other_groups`. `group_lasting` is
-- NULL in what older collectors stored, and -1 of what older agents sent.
CREATE TABLE IF NOT EXISTS timer_readings (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT,
    read_unix_nano BIGINT, unread VARCHAR, pending BIGINT, others BIGINT, other_groups BIGINT,
    changing BIGINT, unproved BIGINT, stands_for_thousandths BIGINT, heap_unread VARCHAR,
    group_callback VARCHAR[], group_waits_in VARCHAR[], group_kind VARCHAR[], group_pending BIGINT[],
    group_next_in_ns BIGINT[], group_period_ns BIGINT[], group_retained_heap_bytes BIGINT[],
    group_lasting BIGINT[]
);

-- What the runtime of a process says of itself. -2 and an empty list are not known; a limit and a GOGC of -1 are none.
-- `schedule_durations` is NULL in what older collectors stored.
CREATE TABLE IF NOT EXISTS runtime_readings (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT, read_unix_nano BIGINT,
    goroutines BIGINT, stack_bytes BIGINT, other_bytes BIGINT, memory_limit_bytes BIGINT,
    allocated_bytes BIGINT, allocations BIGINT, gc_goal_bytes BIGINT, gc_cycles BIGINT, gc_pause_ns BIGINT,
    gogc_percent BIGINT, processors BIGINT, schedule_durations BIGINT[]
);

CREATE TABLE IF NOT EXISTS losses (
    agent_id VARCHAR, agent_epoch VARCHAR, sequence BIGINT, taken_unix_nano BIGINT, name VARCHAR, total BIGINT
);

CREATE TABLE IF NOT EXISTS snapshots (
    snapshot_id VARCHAR, host VARCHAR, boot_id VARCHAR, pid BIGINT, start_ticks BIGINT, exec_epoch BIGINT,
    taken_unix_nano BIGINT, stored_unix_nano BIGINT, format VARCHAR, kind VARCHAR
);

CREATE TABLE IF NOT EXISTS snapshot_groups (
    snapshot_id VARCHAR, position BIGINT, goroutines BIGINT,
    functions VARCHAR[], files VARCHAR[], lines BIGINT[],
    created_function VARCHAR, created_file VARCHAR, created_line BIGINT,
    state VARCHAR, wait_s BIGINT, goids BIGINT[], stack_bytes BIGINT
);

-- How many goroutines of a snapshot have which pprof labels, and to which hosts the process has HTTP connections: in JSON,
-- as gosonde_common.wire.label_comments and http_comments have it.
CREATE TABLE IF NOT EXISTS snapshot_labels (snapshot_id VARCHAR, comments VARCHAR[]);

-- Heap, block and mutex profiles. `amounts` are the fields of evidence/context.py's samples, in their order.
CREATE TABLE IF NOT EXISTS snapshot_samples (
    snapshot_id VARCHAR, position BIGINT, functions VARCHAR[], files VARCHAR[], lines BIGINT[], amounts BIGINT[]
);

-- A row for each change of a finding. `document` is its JSON.
CREATE TABLE IF NOT EXISTS findings (id VARCHAR, updated_unix_nano BIGINT, document VARCHAR);

-- What people have muted: one finding, or those of a function in a service. The table is replaced as a whole.
CREATE TABLE IF NOT EXISTS mutes (
    finding VARCHAR, service VARCHAR, function VARCHAR,
    reason VARCHAR, muted_by VARCHAR, since_unix_nano BIGINT, until_unix_nano BIGINT
);

-- What was sent last to receivers of alerts: JSON by receiver and finding. The table is replaced as a whole.
CREATE TABLE IF NOT EXISTS reported (receiver VARCHAR, finding VARCHAR, document VARCHAR);

-- Who has changed what is probed, pulled or reloaded. (host, agent_id, agent_epoch, ordinal) identifies an event; a row may
-- be there more than once.
CREATE TABLE IF NOT EXISTS audit (
    stored_unix_nano BIGINT, at_unix_nano BIGINT, host VARCHAR, agent_id VARCHAR, agent_epoch VARCHAR, ordinal BIGINT,
    act VARCHAR, actor VARCHAR, who VARCHAR, pid BIGINT, exe VARCHAR, detail VARCHAR
);

-- What the compiler says of the escapes of a build: its newest output, and what is kept of that. A row of kind
-- 'function' is where a function begins. Both are replaced as a whole.
CREATE TABLE IF NOT EXISTS escape_outputs (build_id VARCHAR, stored_unix_nano BIGINT, detailed BIGINT, kept BIGINT);

CREATE TABLE IF NOT EXISTS escapes (
    build_id VARCHAR, position BIGINT, base VARCHAR, package VARCHAR, file VARCHAR, line BIGINT, line_column BIGINT,
    kind VARCHAR, name VARCHAR, why VARCHAR, function VARCHAR, inlined VARCHAR[]
);

-- Up to when what was stored has been thinned: of its totals the last of each step is left. A row for each step.
CREATE TABLE IF NOT EXISTS thinned (step_ns BIGINT, stored_unix_nano BIGINT);

-- The newest totals of sites, put together from site_counters up to a moment of each process, of what was stored up to one.
CREATE TABLE IF NOT EXISTS site_totals (
    process BIGINT, sequence BIGINT, taken_unix_nano BIGINT, pc UBIGINT, created BIGINT, exited BIGINT,
    baseline BIGINT, mismatch BIGINT
);
CREATE TABLE IF NOT EXISTS totals_until (process BIGINT, taken_unix_nano BIGINT);
CREATE TABLE IF NOT EXISTS totals_stored (stored_unix_nano BIGINT);
