/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What goroutines of one process do, change by change. Hot, and an event each: attached only for a timeline, which ends
 * after so many hits.
 */

BPF_RINGBUF_OUTPUT(transitions, TIMELINE_PAGES);

/* By the number of the binary, as in the probe's cookie. */
BPF_F_TABLE("hash", u32, struct timeline, timelines, MAX_TIMELINES, BPF_F_NO_PREALLOC);

/* runtime.g.atomicstatus: the stack moves, for a moment; and those in which a g is nobody. */
#define STATUS_IDLE 0
#define STATUS_DEAD 6
#define STATUS_COPYSTACK 8
#define STATUS_DEAD_EXTRA 11

static inline int is_nobody(u32 status)
{
	return status == STATUS_IDLE || status == STATUS_DEAD || status == STATUS_DEAD_EXTRA;
}

static inline u64 word_of(u64 g, u32 offset)
{
	u64 word = 0;

	if (offset != NO_OFFSET)
		bpf_probe_read_user(&word, sizeof(word), (void *)(g + offset));
	return word;
}

static inline void record(struct timeline *timeline, struct transition *transition)
{
	u64 g = transition->g;
	unsigned char reason = 0;

	transition->goid = word_of(g, timeline->goid);
	bpf_probe_read_user(&reason, sizeof(reason), (void *)(g + timeline->waitreason));
	transition->reason = reason;
	if (is_nobody(transition->from) || is_nobody(transition->to)) {
		transition->gopc = word_of(g, timeline->gopc);
		transition->startpc = word_of(g, timeline->startpc);
		transition->parent = word_of(g, timeline->parent);
	}
	/* Whoever records looks into the buffer again and again: waking it would cost the target a system call's time. */
	if (transitions.ringbuf_output(transition, sizeof(*transition), BPF_RB_NO_WAKEUP))
		__sync_fetch_and_add(&timeline->lost, 1);
}

/* runtime.casgstatus(gp *g, oldval, newval uint32). */
int on_status_changed(struct pt_regs *ctx)
{
	struct transition transition = {.at = bpf_ktime_get_ns()};
	u32 binary = bpf_get_attach_cookie(ctx);
	struct timeline *timeline = timelines.lookup(&binary);
	u64 id = current_id();

	transition.g = ARGUMENT_0(ctx);
	transition.from = ARGUMENT_1(ctx);
	transition.to = ARGUMENT_2(ctx);
	transition.thread = id;
	transition.cpu = bpf_get_smp_processor_id();
	if (timeline && timeline->tgid == id >> 32) {
		timeline->ip = PROBE_ADDRESS(ctx);
		__sync_fetch_and_add(&timeline->hits, 1);
		if (timeline->hits > timeline->most_hits) {
			if (!timeline->ended_at)
				timeline->ended_at = transition.at;
		} else if (transition.from != STATUS_COPYSTACK && transition.to != STATUS_COPYSTACK) {
			record(timeline, &transition);
		}
	}
	count_hit(id >> 32);
	return 0;
}
