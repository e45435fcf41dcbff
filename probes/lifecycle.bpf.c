/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Execs and exits of every process of the host, so that none is missed between two scans of /proc. */

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
	if (images.update(&event.tgid, &event.epoch))
		lose(LOSS_IMAGES_FULL);
	emit(&event, BPF_RB_FORCE_WAKEUP);
	return 0;
}

int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct event event = {.kind = EVENT_EXIT};
	u64 id = current_id();
	u32 *epoch;

	event.tgid = id >> 32;
	if (!id || (u32)id != event.tgid)
		return 0;
	epoch = images.lookup(&event.tgid);
	if (epoch)
		event.epoch = *epoch;
	event.at = bpf_ktime_get_ns();
	emit(&event, watched.lookup(&event.tgid) ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}
