/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may take how much of the tables that all processes share. What is still free decides: an owner may have as many
 * entries as are left, and one of its images a part of what the owner has left. So one owner gets half of a table, two
 * get a third each, and whoever comes next finds room, however many came before. Nothing here runs at the hit of a site
 * that is known. See ADR 0105.
 */

/* Of what its owner has left, an image may have so much; of the ring buffer, which is emptied all the time, more. */
#define IMAGE_PART 8
#define IMAGE_PART_OF_EVENTS 2
/* A record of the ring buffer has a header of 8 bytes. */
#define EVENT_BYTES (sizeof(struct event) + 8)
#define MAX_EVENTS (EVENT_PAGES * 4096 / EVENT_BYTES)

BPF_ARRAY(taken, struct entries, OWNERS + 1);
/* The agent's: it frees entries. */
BPF_ARRAY(freed, struct entries, OWNERS + 1);
BPF_ARRAY(spending, struct spending, OWNERS + 1);
/* Numbers of the present rounds; the agent's. */
BPF_ARRAY(rounds, u32, ROUND_COUNT);
BPF_F_TABLE("hash", struct image, struct share, shares, MAX_IMAGES, BPF_F_NO_PREALLOC);
BPF_ARRAY(lost_at, u64, LOST_SLOTS);

static inline u32 current_owner(void)
{
	u32 uid = bpf_get_current_uid_gid();

	return uid < 65536 ? uid % OWNER_UIDS : OWNER_UIDS + (uid >> 16) % OWNER_RANGES;
}

static inline u32 entries_of(u32 owner, u32 table)
{
	struct entries *made = taken.lookup(&owner);
	struct entries *gone = freed.lookup(&owner);

	return made && gone ? made->of[table] - gone->of[table] : 0;
}

static inline u32 less(u32 size, u32 all, u32 own)
{
	return (u64)all + own < size ? size - all - own : 0;
}

/* How many more entries an owner may have, if nobody else takes any. */
static inline u32 left_of(u32 owner, u32 table, u32 size)
{
	return less(size, entries_of(OWNERS, table), entries_of(owner, table));
}

static inline void add_entry(u32 owner, u32 table)
{
	struct entries *own = taken.lookup(&owner);
	u32 everybody = OWNERS;
	struct entries *all = taken.lookup(&everybody);

	if (own)
		__sync_fetch_and_add(&own->of[table], 1);
	if (all)
		__sync_fetch_and_add(&all->of[table], 1);
}

static inline u32 round_of(u32 what)
{
	u32 *number = rounds.lookup(&what);

	return number ? *number : 0;
}

static inline u32 spent_in(struct spending *of, u32 what)
{
	return of && of->in[what].round == round_of(what) ? of->in[what].count : 0;
}

/* What an owner may still put in, if nobody else does, before the agent empties it. */
static inline u32 left_in_round(u32 owner, u32 what, u32 size)
{
	u32 everybody = OWNERS;

	return less(size, spent_in(spending.lookup(&everybody), what), spent_in(spending.lookup(&owner), what));
}

static inline void spend(struct spending *of, u32 what)
{
	u32 round = round_of(what);

	if (!of)
		return;
	if (of->in[what].round != round) {
		of->in[what].count = 0;
		of->in[what].round = round;
	}
	__sync_fetch_and_add(&of->in[what].count, 1);
}

static inline void spend_of_owner(u32 owner, u32 what)
{
	u32 everybody = OWNERS;

	spend(spending.lookup(&everybody), what);
	spend(spending.lookup(&owner), what);
}

/* Something of a process was lost, and there is no better place to keep that. */
static inline void lose_unplaced(u32 tgid)
{
	u32 slot = tgid % LOST_SLOTS;
	u64 *at = lost_at.lookup(&slot);

	if (at)
		*at = bpf_ktime_get_ns();
}

/* `share` is that of the image, if it has one. */
static inline void lose_of(struct image *image, struct share *share, u32 what)
{
	lose(what);
	if (share)
		__sync_fetch_and_add(&share->lost, 1);
	else
		lose_unplaced(image->tgid);
}

/* That of an image, which gets one when it is first counted, if there is room. */
static inline struct share *share_of(struct image *image)
{
	struct share *share = shares.lookup(image);
	struct share fresh = {};

	if (share)
		return share;
	fresh.owner = current_owner();
	if (left_of(fresh.owner, TABLE_IMAGES, MAX_IMAGES) && !shares.insert(image, &fresh))
		add_entry(fresh.owner, TABLE_IMAGES);
	return shares.lookup(image);
}

/* An event that no counted image has: an exec or an exit. */
static inline void emit_for_owner(struct event *event, u64 flags)
{
	u32 owner = current_owner();

	if (!left_in_round(owner, ROUND_EVENTS, MAX_EVENTS))
		lose(LOSS_EVENTS_FULL);
	else if (emit(event, flags))
		spend_of_owner(owner, ROUND_EVENTS);
}

/* A stop or a cycle of an image. */
static inline void emit_for_image(struct image *image, struct event *event)
{
	struct share *share = shares.lookup(image);
	u32 left = share ? left_in_round(share->owner, ROUND_EVENTS, MAX_EVENTS) : 0;

	if (!share || spent_in(&share->spending, ROUND_EVENTS) >= left / IMAGE_PART_OF_EVENTS) {
		lose_of(image, share, LOSS_EVENTS_FULL);
		return;
	}
	if (!emit(event, BPF_RB_NO_WAKEUP)) {
		__sync_fetch_and_add(&share->lost, 1);
		return;
	}
	spend_of_owner(share->owner, ROUND_EVENTS);
	spend(&share->spending, ROUND_EVENTS);
}
