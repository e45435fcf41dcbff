/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts goroutines per (process image, go statement), here in the kernel: no event per goroutine, so there is no rate
 * at which one is lost. The increments are atomic although the map is per CPU, because a uprobe program can be
 * preempted by another one on the same CPU.
 */

BPF_F_TABLE("percpu_hash", struct site_key, struct site_count, sites, MAX_SITES, BPF_F_NO_PREALLOC);
BPF_F_TABLE("hash", struct site_key, struct site_origin, origins, MAX_SITES, BPF_F_NO_PREALLOC);

static inline struct site_count *new_site(struct pt_regs *ctx, struct site_key *key, struct share *share, u64 start_pc,
					  u32 probe)
{
	struct site_count zero = {};
	struct site_origin origin = {.start_pc = start_pc, .probe = probe};
	struct site_count *count;

	if (share->sites >= left_of(share->owner, TABLE_SITES, MAX_SITES) / IMAGE_PART)
		return 0;
	origin.ip = PROBE_ADDRESS(ctx);
	origins.insert(key, &origin);
	if (!sites.insert(key, &zero)) {
		__sync_fetch_and_add(&share->sites, 1);
		add_entry(share->owner, TABLE_SITES);
	}
	count = sites.lookup(key);
	if (!count)
		origins.delete(key);
	return count;
}

/* Where a site that is not in the table is counted: there from now on, else with its image's others, else nowhere. */
static inline struct site_count *count_of_new(struct pt_regs *ctx, struct site_key *key, u64 start_pc, u32 probe)
{
	struct share *share = share_of(&key->image);
	struct site_count *count;

	if (!share) {
		lose_of(&key->image, share, LOSS_SHARES_FULL);
		return 0;
	}
	count = new_site(ctx, key, share, start_pc, probe);
	if (count)
		return count;
	lose_of(&key->image, share, LOSS_SITES_FULL);
	return &share->others;
}

static inline struct site_key site_of(u64 cookie, u64 pc)
{
	struct site_key key = {.image = image_of(cookie), .pc = pc};

	return key;
}

static inline int count_creation(struct pt_regs *ctx, u64 pc)
{
	u64 cookie = bpf_get_attach_cookie(ctx);
	struct site_key key = site_of(cookie, pc);
	struct site_count *count;

	if (!is_counted(cookie)) {
		count_hit(key.image.tgid);
		return 0;
	}
	count = sites.lookup(&key);
	if (!count) {
		u64 start_pc = 0;

		bpf_probe_read_user(&start_pc, sizeof(start_pc), (void *)ARGUMENT_0(ctx));
		count = count_of_new(ctx, &key, start_pc, PROBE_CREATED);
	}
	if (count)
		__sync_fetch_and_add(&count->created, 1);
	count_hit(key.image.tgid);
	return 0;
}

/* runtime.newproc1(fn *funcval, callergp *g, callerpc uintptr, ...): callerpc becomes gopc. */
int on_created(struct pt_regs *ctx)
{
	return count_creation(ctx, ARGUMENT_2(ctx));
}

/* Go 1.17: runtime.newproc1(fn *funcval, argp unsafe.Pointer, narg int32, callergp *g, callerpc uintptr). */
int on_created_117(struct pt_regs *ctx)
{
	return count_creation(ctx, ARGUMENT_4(ctx));
}

static inline int count_exit(struct pt_regs *ctx, u64 gopc_offset)
{
	char *g = (char *)ARGUMENT_0(ctx);
	u64 cookie = bpf_get_attach_cookie(ctx);
	struct site_count *count;
	struct site_key key;
	u64 pc = 0;

	if (!is_counted(cookie)) {
		count_hit(current_id() >> 32);
		return 0;
	}
	if (bpf_probe_read_user(&pc, sizeof(pc), g + gopc_offset)) {
		struct image image = image_of(cookie);

		lose_of(&image, share_of(&image), LOSS_GOPC_UNREADABLE);
		count_hit(image.tgid);
		return 0;
	}
	key = site_of(cookie, pc);
	count = sites.lookup(&key);
	if (!count) {
		u64 start_pc = 0;

		/* g.startpc lies two words behind g.gopc (gopc, ancestors, startpc) in every version. */
		bpf_probe_read_user(&start_pc, sizeof(start_pc), g + gopc_offset + 16);
		count = count_of_new(ctx, &key, start_pc, PROBE_EXITED);
	}
	if (count)
		__sync_fetch_and_add(&count->exited, 1);
	count_hit(key.image.tgid);
	return 0;
}

/*
 * runtime.gdestroy(gp *g), before Go 1.22 runtime.goexit0(gp *g). A program does not know which binary it was hit in
 * before the agent has seen the process, so there is one for each place that gopc may have in g: 280, 288 and 296 in
 * the versions that are known, others for those to come. Each is loaded when a binary first needs it.
 */
#define EXIT_PROGRAM(offset)                              \
	int on_exited_##offset(struct pt_regs *ctx)       \
	{                                                 \
		return count_exit(ctx, offset);           \
	}

EXIT_PROGRAM(240)
EXIT_PROGRAM(248)
EXIT_PROGRAM(256)
EXIT_PROGRAM(264)
EXIT_PROGRAM(272)
EXIT_PROGRAM(280)
EXIT_PROGRAM(288)
EXIT_PROGRAM(296)
EXIT_PROGRAM(304)
EXIT_PROGRAM(312)
EXIT_PROGRAM(320)
EXIT_PROGRAM(328)
EXIT_PROGRAM(336)
EXIT_PROGRAM(344)
EXIT_PROGRAM(352)
