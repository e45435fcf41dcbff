/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How often goroutines park, per (process image, wait reason). Hot: attached only when it is asked for. */

BPF_F_TABLE("percpu_hash", struct park_key, u64, parks, MAX_PARKS, BPF_F_NO_PREALLOC);

/* runtime.gopark(unlockf, lock, reason waitReason, ...), a byte. */
int on_park(struct pt_regs *ctx)
{
	struct park_key key = {.image = image_of(ctx), .reason = ARGUMENT_2(ctx) & 0xff};
	u64 zero = 0;
	u64 *count = parks.lookup(&key);

	if (!count) {
		parks.insert(&key, &zero);
		count = parks.lookup(&key);
		if (!count)
			lose(LOSS_PARKS_FULL);
	}
	if (count)
		__sync_fetch_and_add(count, 1);
	count_hit(key.image.tgid);
	return 0;
}
