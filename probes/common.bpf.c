/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every concern needs. The agent joins gosonde.h and all .bpf.c files, this one first, into one source,
 * because bcc rewrites map accesses only in the file it is given. Sizes come from the agent as macros.
 */
#include <uapi/linux/ptrace.h>

#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
#define ARGUMENT_0(ctx) ((ctx)->regs[0])
#define ARGUMENT_1(ctx) ((ctx)->regs[1])
#define ARGUMENT_2(ctx) ((ctx)->regs[2])
#define ARGUMENT_4(ctx) ((ctx)->regs[4])
#define PROBE_ADDRESS(ctx) ((ctx)->pc)
#define READ_RETURN_ADDRESS(address, ctx) (*(address) = (ctx)->regs[30])
#else
/* Go's register ABI: integer arguments in AX, BX, CX, ... (src/cmd/compile/abi-internal.md). */
#define ARGUMENT_0(ctx) ((ctx)->ax)
#define ARGUMENT_1(ctx) ((ctx)->bx)
#define ARGUMENT_2(ctx) ((ctx)->cx)
#define ARGUMENT_4(ctx) ((ctx)->si)
#define PROBE_ADDRESS(ctx) ((ctx)->ip)
#define READ_RETURN_ADDRESS(address, ctx) bpf_probe_read_user(address, sizeof(*(address)), (void *)(ctx)->sp)
#endif

BPF_ARRAY(losses, u64, LOSS_COUNT);
BPF_RINGBUF_OUTPUT(events, EVENT_PAGES);

BPF_PERCPU_ARRAY(hits, struct hits, 1);

/*
 * Whether a file is counted, by the slot in its probes' cookies. Probes are attached and detached one after the other;
 * both counts of a file begin and end when the agent turns this, at one instant. What has slot 0 is always counted.
 */
BPF_ARRAY(counting, u32, COUNTING_SLOTS);

/* 1 when the agent sleeps: whoever is hit first sets it to 0 and wakes the agent. */
BPF_ARRAY(report_next_hit, u32, 1);

/* The agent's pid namespace, by these two: 0 where it is the host's. */
#define PID_NAMESPACE_DEVICE 0
#define PID_NAMESPACE_INODE 1
BPF_ARRAY(pid_namespace, u64, 2);

/* tgids of processes whose end wakes the agent. */
BPF_F_TABLE("hash", u32, u32, watched, MAX_IMAGES, BPF_F_NO_PREALLOC);

/* Number of the newest exec; the agent sets where it begins. */
BPF_ARRAY(last_epoch, u32, 1);

/* tgid -> the exec that started its present image. Processes that are older than the agent have no entry. */
BPF_F_TABLE("hash", u32, struct exec, images, MAX_IMAGES, BPF_F_NO_PREALLOC);

static inline void lose(u32 what)
{
	u64 *count = losses.lookup(&what);

	if (count)
		__sync_fetch_and_add(count, 1);
}

/*
 * Process and thread, as the agent's pid namespace numbers them. Where that is not the host's, the agent gives its
 * device and inode, and what runs in any other namespace is 0: it has no number there, or cannot be asked for it here.
 */
static inline u64 current_id(void)
{
	u32 at_device = PID_NAMESPACE_DEVICE, at_inode = PID_NAMESPACE_INODE;
	u64 *inode = pid_namespace.lookup(&at_inode), *device;
	struct bpf_pidns_info info = {};

	if (!inode || !*inode)
		return bpf_get_current_pid_tgid();
	device = pid_namespace.lookup(&at_device);
	if (!device || bpf_get_ns_current_pid_tgid(*device, *inode, &info, sizeof(info)))
		return 0;
	return (u64)info.tgid << 32 | info.pid;
}

/* Waking the agent costs the target a system call's worth of time, so only what cannot wait does it. */
static inline int emit(struct event *event, u64 flags)
{
	if (!events.ringbuf_output(event, sizeof(*event), flags))
		return 1;
	lose(LOSS_EVENTS_FULL);
	return 0;
}

/*
 * Comes last in each program, so that whatever a hit has changed can be read once its slot has changed. The agent looks
 * at the slots after it has said that it sleeps, and the flag is read after the slot was changed: one of them sees.
 */
static inline void count_hit(u32 tgid)
{
	u32 zero = 0;
	struct hits *all = hits.lookup(&zero);
	u32 *asleep = report_next_hit.lookup(&zero);

	if (all)
		__sync_fetch_and_add(&all->slots[tgid % HIT_SLOTS], 1);
	if (asleep && *asleep) {
		struct event event = {.kind = EVENT_HIT, .tgid = tgid};

		*asleep = 0;
		emit(&event, BPF_RB_FORCE_WAKEUP);
	}
}

/* Whether the file of the probe that was hit is counted now, by the probe's cookie. */
static inline int is_counted(u64 cookie)
{
	u32 slot = cookie >> 32;
	u32 *is_on = counting.lookup(&slot);

	return is_on && *is_on;
}

/* Who was hit: the process, which of its images, and the binary that the probe with this cookie was attached to. */
static inline struct image image_of(u64 cookie)
{
	struct image image = {};
	struct exec *exec;

	image.tgid = current_id() >> 32;
	exec = images.lookup(&image.tgid);
	if (exec)
		image.epoch = exec->epoch;
	image.binary = cookie;
	return image;
}
