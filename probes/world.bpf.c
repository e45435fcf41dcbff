/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stop-the-world pauses and GC cycles. The totals live in a map and stay right when the ring buffer is full; each stop
 * and each cycle is an event as well. Only one thread of a process can have stopped the world.
 */

#define STW_UNKNOWN 0
#define STW_GC_MARK_TERMINATION 1
#define STW_GC_SWEEP_TERMINATION 2
#define STW_GC_UNTOLD 0x100 /* one of the two, which the probe does not know yet */

/* An image has one only if it has a share. */
BPF_F_TABLE("hash", struct image, struct world, worlds, MAX_IMAGES, BPF_F_NO_PREALLOC);

/* binary -> where the GC's calls of stopTheWorldWithSema return to, for binaries in which a stop has no reason. */
BPF_F_TABLE("hash", u32, struct code_range, gc_stop_callers, MAX_IMAGES, BPF_F_NO_PREALLOC);

static inline struct world *world_of(struct image *image)
{
	struct world *world = worlds.lookup(image);

	if (!world) {
		struct share *share = share_of(image);
		struct world zero = {};

		if (share)
			worlds.insert(image, &zero);
		world = worlds.lookup(image);
		if (!world)
			lose_of(image, share, LOSS_WORLDS_FULL);
	}
	return world;
}

static inline struct event event_of(u32 kind, struct image *image)
{
	struct event event = {.kind = kind, .tgid = image->tgid, .epoch = image->epoch, .binary = image->binary};

	return event;
}

static inline int stop(struct image *image, u64 now, u32 reason)
{
	struct world *world = world_of(image);

	if (world) {
		if (reason == STW_GC_UNTOLD)
			reason = world->cycle_started_at ? STW_GC_MARK_TERMINATION : STW_GC_SWEEP_TERMINATION;
		world->stopped_at = now;
		world->reason = reason;
		if (reason == STW_GC_SWEEP_TERMINATION)
			world->cycle_started_at = now;
	}
	count_hit(image->tgid);
	return 0;
}

/* runtime.stopTheWorldWithSema(reason stwReason), a byte. */
int on_stop(struct pt_regs *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct image image = image_of(bpf_get_attach_cookie(ctx));

	return stop(&image, now, ARGUMENT_0(ctx) & 0xff);
}

/*
 * runtime.stopTheWorldWithSema() before Go 1.21 takes no reason. The GC calls it through runtime.systemstack directly,
 * everybody else from a function of their own, so where it returns to distinguishes them.
 */
int on_stop_untold(struct pt_regs *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct image image = image_of(bpf_get_attach_cookie(ctx));
	struct code_range *gc = gc_stop_callers.lookup(&image.binary);
	u64 caller = 0;

	READ_RETURN_ADDRESS(&caller, ctx);
	if (gc && caller - PROBE_ADDRESS(ctx) - gc->first < gc->size)
		return stop(&image, now, STW_GC_UNTOLD);
	return stop(&image, now, STW_UNKNOWN);
}

/* runtime.gcMarkTermination: the world is stopped, the cycle is about to end. */
int on_mark_termination(struct pt_regs *ctx)
{
	struct image image = image_of(bpf_get_attach_cookie(ctx));
	struct world *world = world_of(&image);
	struct event event = event_of(EVENT_CYCLE, &image);

	if (world) {
		event.at = bpf_ktime_get_ns();
		/* A stop that was taken for the beginning of a cycle is the end of one that began before counting did. */
		event.started_at = world->cycle_started_at == world->stopped_at ? 0 : world->cycle_started_at;
		event.ordinal = world->cycles;
		world->cycles++;
		world->cycle_started_at = 0;
		world->reason = STW_GC_MARK_TERMINATION;
		emit_for_image(&image, &event);
	}
	count_hit(image.tgid);
	return 0;
}

/* The last call of runtime.wakep in runtime.startTheWorldWithSema: the world runs. */
int on_start(struct pt_regs *ctx)
{
	u64 now = bpf_ktime_get_ns();
	struct image image = image_of(bpf_get_attach_cookie(ctx));
	struct world *world = worlds.lookup(&image);
	struct event event = event_of(EVENT_PAUSE, &image);

	if (world && world->stopped_at) {
		event.at = world->stopped_at;
		event.duration = now - world->stopped_at;
		event.reason = world->reason;
		event.ordinal = world->pauses;
		world->stopped_at = 0;
		world->pauses++;
		if (world->reason == STW_GC_MARK_TERMINATION || world->reason == STW_GC_SWEEP_TERMINATION)
			world->gc_pause_ns += event.duration;
		emit_for_image(&image, &event);
	}
	count_hit(image.tgid);
	return 0;
}
