"""Everything that can be lost, by name: the one registry of loss counters, the same in C, agent, metrics and docs."""

from collections.abc import Mapping

#: Counted in the kernel, in the order of `enum loss` in probes/gosonde.h.
KERNEL_LOSSES: Mapping[str, str] = {
    "sites_full": "Creations and exits counted without their go statement: their process had used up its share.",
    "events_full": "Events (exec, exit, pause, GC cycle) dropped because the ring buffer, or a share of it, was full.",
    "images_full": "Execs that were not numbered because the table of execs, or a user's share of it, was full.",
    "worlds_full": "Stop-the-world pauses not counted because the table of processes, or a user's share, was full.",
    "parks_full": "Parks not counted because the table of wait reasons, or a share of it, was full.",
    "gopc_unreadable": "Exits not counted because g.gopc could not be read.",
    "shares_full": "Creations and exits not counted because the table of processes, or a user's share of it, was full.",
    "samples_unplaced": "Sampled creations without their go statement: the table was full, or g.gopc was unreadable.",
}

#: Counted in the agent, where memory is read.
MEMORY_LOSSES: Mapping[str, str] = {
    "baselines_unread": "Processes whose memory could not be read: goroutines older than the probes are not counted.",
    "live_mismatch_events_lost": "Live goroutines by which memory and events disagree, after the kernel lost events.",
    "live_mismatch_unexplained": "Live goroutines by which memory and events disagree, for no known cause.",
    "created_total_mismatch": "Goroutines by which the runtime's own total of creations and the events disagree.",
    "exited_total_mismatch": "Goroutines by which the runtime's own total of exits and the events disagree.",
}

#: Counted where perf events count instead of BPF programs.
PERF_LOSSES: Mapping[str, str] = {
    "samples_lost": "Creations and exits counted by a perf event without their go statement: no sample arrived.",
    "exits_unplaced": "Exits without their go statement: no sample of the creation arrived, or counting began later.",
}

#: Counted in the agent.
AGENT_LOSSES: Mapping[str, str] = {
    "processes_unseen": "Go processes that ended before the agent could identify them.",
    "processes_refused": "Go processes that are not watched; `gosonde processes` says why.",
    "sites_outside": "Go statements outside their program's text, as in a plugin: reported as one, without a name.",
    "observations_failed": "Observations that left out the sites of a process because they could not be reported.",
    "process_steps_failed": "Steps (finding, measuring, reading) that failed for one process and were left out.",
    "events_dropped": "Pauses and GC cycles dropped because their process had too many between two observations.",
    "pauses_unmeasured": "Processes whose stop-the-world pauses cannot be measured because no probe point is proved.",
    **MEMORY_LOSSES,
    "searches_undecided": "Searches for leaked goroutines in a process's memory that decided nothing.",
    "timers_unread": "Readings of the pending timers of a process that failed.",
    "park_windows_put_off": "Windows for counting parks that were not opened because no budget was left.",
    "site_windows_failed": "Windows for counting creations and exits whose probes could not be attached.",
    "breakpoints_replaced": "Breakpoints that another program has overwritten: later hits are not counted.",
    "stops_failed": "Snapshots for which the process could not be stopped: running goroutines have no stack in them.",
    "audit_events_dropped": "Audit events dropped: too many between two observations, or the spool was full.",
    "rows_unreportable": "Rows and processes that were not sent because a value does not fit into a message.",
    "uplink_events_dropped": "Pauses and GC cycles dropped because the spool was full or they were too old.",
    "uplink_processes_dropped": "Processes whose last totals were dropped: the spool was full, or they were too old.",
    "spool_writes_failed": "Observations that could not be written to the spool on disk; they are kept in memory.",
    "spool_places_damaged": "Places in the spool that were damaged on disk; each held at least one row, which is lost.",
    "former_runs_held_up": "Earlier runs whose data could not be delivered; each new connection tries again.",
}

LOSSES: Mapping[str, str] = {**KERNEL_LOSSES, **PERF_LOSSES, **AGENT_LOSSES}
