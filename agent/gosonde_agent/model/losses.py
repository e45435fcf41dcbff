"""Everything that can be lost, by name: the one registry of loss counters, the same in C, agent, metrics and docs."""

from collections.abc import Mapping

#: Counted in the kernel, in the order of `enum loss` in probes/gosonde.h.
KERNEL_LOSSES: Mapping[str, str] = {
    "sites_full": "Creations and exits counted without their go statement: the share of their process was used up.",
    "events_full": "Events (exec, exit, pause, GC cycle) dropped because the ring buffer, or a share of it, was full.",
    "images_full": "Execs whose number was not kept because the table of execs, or a user's share of it, was full.",
    "worlds_full": "Stop-the-world pauses not counted because the table of processes, or a user's share, was full.",
    "parks_full": "Parks not counted because the table of wait reasons, or a share of it, was full.",
    "gopc_unreadable": "Exits not counted because g.gopc could not be read.",
    "shares_full": "Creations and exits not counted because the table of processes, or a user's share of it, was full.",
    "samples_unplaced": "Sampled creations without their go statement: no room for it, or g.gopc could not be read.",
}

#: Counted in the agent, where memory is read.
MEMORY_LOSSES: Mapping[str, str] = {
    "baselines_unread": "Processes whose memory could not be read: goroutines born before the agent came do not count.",
    "live_mismatch_events_lost": "Live goroutines by which memory and events disagree, after the kernel lost events.",
    "live_mismatch_unexplained": "Live goroutines by which memory and events disagree, for no known cause.",
    "created_total_mismatch": "Goroutines by which the runtime's own total of creations and the events disagree.",
    "exited_total_mismatch": "Goroutines by which the runtime's own total of exits and the events disagree.",
}

#: Counted where perf events count instead of BPF programs.
PERF_LOSSES: Mapping[str, str] = {
    "samples_lost": "Creations and exits that a perf event counted and of which no sample came: without go statement.",
    "exits_unplaced": "Exits without their go statement: no sample came of the creation, or it was before counting.",
}

#: Counted in the agent.
AGENT_LOSSES: Mapping[str, str] = {
    "processes_unseen": "Go processes that ended before it could be learned what they were.",
    "processes_refused": "Go processes that are not probed; `gosonde processes` says why.",
    "sites_outside": "Go statements outside their program's text, as of a plugin: reported as one, without a name.",
    "observations_failed": "How often the sites of a process were left out because they could not be reported.",
    "process_steps_failed": "How often a step (finding, measuring, reading) was left out for one process: it failed.",
    "events_dropped": "Pauses and GC cycles dropped because their process had too many between two observations.",
    "pauses_unmeasured": "Processes whose stop-the-world pauses cannot be measured because no probe point is proved.",
    **MEMORY_LOSSES,
    "searches_undecided": "Searches of a process's memory for goroutines that can never run that decided nothing.",
    "park_windows_put_off": "Windows for counting parks that were not opened: the budget had nothing left for them.",
    "site_windows_failed": "Windows for counting creations and exits whose probes could not be attached.",
    "breakpoints_replaced": "Breakpoints that another program has written over: what came after is not counted.",
    "stops_failed": "Snapshots before which the process could not be stopped: what ran has no stack in them.",
    "rows_unreportable": "Rows and processes left out of what is sent because a value of theirs fits no message.",
    "uplink_events_dropped": "Pauses and GC cycles dropped because the spool was full or they were too old.",
    "uplink_processes_dropped": "Processes whose last totals were dropped: the spool was full, or they were too old.",
    "spool_writes_failed": "Observations that the spool's disk did not take; they are kept in memory instead.",
    "spool_places_damaged": "Places in the spool that the disk garbled: what stood there, at least one row, is lost.",
    "former_runs_held_up": "Former runs whose rest could not be delivered; it is tried again with each connection.",
}

LOSSES: Mapping[str, str] = {**KERNEL_LOSSES, **PERF_LOSSES, **AGENT_LOSSES}
