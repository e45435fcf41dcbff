/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Samples of creations, one of 16 of each P: where runtime.newproc1 takes the P's next goroutine ids. They are counted
 * all the time that the probe is there, and once more, beside these, while the file's creations and exits are counted.
 */

BPF_F_TABLE("percpu_hash", struct site_key, struct sample_count, samples, MAX_SITES, BPF_F_NO_PREALLOC);
/* By the number of the binary; the agent's. */
BPF_F_TABLE("hash", u32, struct sample_place, sample_places, MAX_IMAGES, BPF_F_NO_PREALLOC);

/* The new g; 0 where it cannot be read, or the place is known on no such machine. */
static inline u64 new_g(struct pt_regs *ctx, struct sample_place *place)
{
#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
	return 0;
#else
	u64 registers[G_REGISTERS] = {ctx->ax, ctx->bx, ctx->cx, ctx->dx, ctx->si, ctx->di, ctx->r8, ctx->r9};
	u64 word = 0;

	if (place->g != G_ON_STACK)
		return registers[place->g % G_REGISTERS];
	bpf_probe_read_user(&word, sizeof(word), (void *)(ctx->sp + place->above));
	return word;
#endif
}

static inline struct sample_count *new_sample(struct site_key *key, struct share *share)
{
	struct sample_count zero = {};

	if (share->samples >= left_of(share->owner, TABLE_SAMPLES, MAX_SITES) / IMAGE_PART)
		return 0;
	if (!samples.insert(key, &zero)) {
		__sync_fetch_and_add(&share->samples, 1);
		add_entry(share->owner, TABLE_SAMPLES);
	}
	return samples.lookup(key);
}

/*
 * Where a sample is counted whose go statement is not in the table: there from now on, else with its image's others. The
 * go statement gets a place in the table of sites, too, so that it has a row before a window has seen it.
 */
static inline struct sample_count *sample_of_new(struct pt_regs *ctx, struct site_key *key, char *gopc)
{
	struct share *share = share_of(&key->image);
	struct sample_count *count = share && key->pc ? new_sample(key, share) : 0;
	u64 start_pc = 0;

	if (!count) {
		lose(LOSS_SAMPLES_UNPLACED);
		return share ? &share->other_samples : 0;
	}
	if (!sites.lookup(key)) {
		bpf_probe_read_user(&start_pc, sizeof(start_pc), gopc + 16);
		new_site(ctx, key, share, start_pc, PROBE_IDS_TAKEN);
	}
	return count;
}

int on_ids_taken(struct pt_regs *ctx)
{
	u64 cookie = bpf_get_attach_cookie(ctx);
	struct site_key key = {.image = image_of(cookie)};
	struct sample_place *place = sample_places.lookup(&key.image.binary);
	struct sample_count *count;
	char *gopc = 0;

	if (place) {
		gopc = (char *)new_g(ctx, place) + place->gopc;
		bpf_probe_read_user(&key.pc, sizeof(key.pc), gopc);
	}
	count = samples.lookup(&key);
	if (!count)
		count = sample_of_new(ctx, &key, gopc);
	if (count) {
		__sync_fetch_and_add(&count->all, 1);
		if (is_counted(cookie))
			__sync_fetch_and_add(&count->counted, 1);
	}
	count_hit(key.image.tgid);
	return 0;
}
