-- What is current is the newest row; these views say so once. They are made again at each start.

-- The newest batch of each run of an agent; `current` is 1 for the newest run. Runs are distinguished by their number:
-- what a former run left behind may be stored after the present one has begun.
CREATE OR REPLACE VIEW runs AS
SELECT host, agent_id, agent_epoch, agent_run, last_taken_unix_nano, last_stored_unix_nano, interval_ns,
    max(last_stored_unix_nano) OVER (PARTITION BY host, agent_id) AS agent_stored_unix_nano,
    CASE WHEN row_number() OVER (PARTITION BY host, agent_id ORDER BY agent_run DESC, last_stored_unix_nano DESC) = 1
    THEN 1 ELSE 0 END AS current
FROM (
    SELECT host, agent_id, agent_epoch, max(agent_run) AS agent_run, max(taken_unix_nano) AS last_taken_unix_nano,
        max(stored_unix_nano) AS last_stored_unix_nano, arg_max(interval_ns, sequence) AS interval_ns
    FROM batches GROUP BY host, agent_id, agent_epoch
) AS newest;

-- The newest row of each process. What a former run of an agent had seen and the present one has not is over.
-- `superseded` is 1 for what a former run had counted and a newer run counts again. `told_unix_nano` is when its end was
-- stored, or the last of its run.
CREATE OR REPLACE VIEW all_processes AS
SELECT p.* EXCLUDE (ended_unix_nano), r.last_taken_unix_nano, r.last_stored_unix_nano, r.interval_ns,
    CASE WHEN p.ended_unix_nano = 0 THEN r.last_stored_unix_nano ELSE p.stored_unix_nano END AS told_unix_nano,
    CASE WHEN p.ended_unix_nano = 0 AND r.current = 0 THEN r.last_taken_unix_nano ELSE p.ended_unix_nano END
    AS ended_unix_nano,
    CASE WHEN rank() OVER (
        PARTITION BY p.host, p.boot_id, p.pid, p.start_ticks
        ORDER BY r.agent_stored_unix_nano DESC, r.agent_run DESC, r.current DESC, r.last_stored_unix_nano DESC
    ) = 1 THEN 0 ELSE 1 END AS superseded
FROM (SELECT * FROM processes QUALIFY row_number() OVER (PARTITION BY process ORDER BY sequence DESC) = 1) AS p
JOIN runs AS r ON r.host = p.host AND r.agent_id = p.agent_id AND r.agent_epoch = p.agent_epoch;

CREATE OR REPLACE VIEW known_processes AS SELECT * EXCLUDE (superseded) FROM all_processes WHERE superseded = 0;

CREATE OR REPLACE VIEW known_sites AS
SELECT * FROM site_names
QUALIFY row_number() OVER (PARTITION BY build_id, pc ORDER BY stored_unix_nano DESC) = 1;

-- Each event once: the row that came first, which no later one can replace.
CREATE OR REPLACE VIEW audit_events AS
SELECT * FROM audit
QUALIFY row_number() OVER (PARTITION BY host, agent_id, agent_epoch, ordinal ORDER BY stored_unix_nano) = 1;
