/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Execs and exits of every process of the host, so that none is missed between two scans of /proc. */

/* Keeps the number of the exec that a process has just run; returns 0 when there is no room for it. */
static inline int keep_exec(u32 tgid, u32 epoch)
{
	struct exec fresh = {.epoch = epoch};
	struct exec *exec = images.lookup(&tgid);

	if (exec) {
		exec->epoch = epoch;
		return 1;
	}
	fresh.owner = current_owner();
	if (!left_of(fresh.owner, TABLE_EXECS, MAX_IMAGES) || images.insert(&tgid, &fresh))
		return 0;
	add_entry(fresh.owner, TABLE_EXECS);
	return 1;
}

int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct event event = {.kind = EVENT_EXEC, .at = bpf_ktime_get_ns()};
	u32 zero = 0;
	u32 *newest = last_epoch.lookup(&zero);

	event.tgid = current_id() >> 32;
	if (!newest || !event.tgid)
		return 0;
	/* Two execs at once on two CPUs may read the same number. They are of two processes, so the pair of
	 * (tgid, epoch) stays unique. */
	__sync_fetch_and_add(newest, 1);
	event.epoch = *newest;
	if (!keep_exec(event.tgid, event.epoch)) {
		lose(LOSS_IMAGES_FULL);
		lose_unplaced(event.tgid);
		event.epoch = 0; /* as its hits will have it */
	}
	emit_for_owner(&event, BPF_RB_FORCE_WAKEUP);
	return 0;
}

int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct event event = {.kind = EVENT_EXIT};
	u64 id = current_id();
	struct exec *exec;

	event.tgid = id >> 32;
	if (!id || (u32)id != event.tgid)
		return 0;
	exec = images.lookup(&event.tgid);
	if (exec)
		event.epoch = exec->epoch;
	event.at = bpf_ktime_get_ns();
	emit_for_owner(&event, watched.lookup(&event.tgid) ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}
