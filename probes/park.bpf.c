/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How often goroutines park, per (process image, wait reason). Hot: attached only when it is asked for. */

BPF_F_TABLE("percpu_hash", struct park_key, u64, parks, MAX_PARKS, BPF_F_NO_PREALLOC);

/* Codes of wait reasons that a process may count: no version has as many. The last one stands for all beyond. */
#define REASONS 64

/* A wait reason that is seen for the first time in a window; 0 when its image or its owner has no room left. */
static inline u64 *new_park(struct park_key *key)
{
	struct share *share = share_of(&key->image);
	u32 left = share ? left_in_round(share->owner, ROUND_PARKS, MAX_PARKS) : 0;
	u64 zero = 0;
	u64 *count;

	if (share && spent_in(&share->spending, ROUND_PARKS) < left / IMAGE_PART && !parks.insert(key, &zero)) {
		spend_of_owner(share->owner, ROUND_PARKS);
		spend(&share->spending, ROUND_PARKS);
	}
	count = parks.lookup(key);
	if (!count)
		lose_of(&key->image, share, LOSS_PARKS_FULL);
	return count;
}

/* runtime.gopark(unlockf, lock, reason waitReason, ...), a byte. */
int on_park(struct pt_regs *ctx)
{
	struct park_key key = {.image = image_of(bpf_get_attach_cookie(ctx)), .reason = ARGUMENT_2(ctx) & 0xff};
	u64 *count;

	if (key.reason >= REASONS)
		key.reason = REASONS - 1;
	count = parks.lookup(&key);
	if (!count)
		count = new_park(&key);
	if (count)
		__sync_fetch_and_add(count, 1);
	count_hit(key.image.tgid);
	return 0;
}
