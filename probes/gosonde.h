/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the probes and the agent share: types only, each without hidden padding. The agent decodes them with
 * struct.Struct (gosonde_agent.sources.protocol.records); a test compares the two with the compiler's own offsets.
 */
#ifndef GOSONDE_H
#define GOSONDE_H

/*
 * What one exec started, as one attachment of the probes sees it. Two paths may lead to the same file (overlayfs), so
 * that probes sit in it twice and each hit runs both: the binary in the key keeps their counts apart.
 */
struct image {
	u32 tgid;
	u32 epoch;  /* number of the exec; 0 for an image that is older than the agent */
	u32 binary; /* the agent's number of the binary: the lower half of the probe's cookie */
	u32 padding;
};

/* The present image of a process, by tgid. */
struct exec {
	u32 epoch;
	u32 owner; /* who pays for the entry, or OWNER_NOBODY: the agent has made it */
};

/*
 * Who a table is shared among: users. One uid is an owner; from 65,536 on, where ranges are handed out to containers and
 * as subordinate uids, each 65,536 of them are one, so that nobody is many owners.
 */
#define OWNER_UIDS 8192
#define OWNER_RANGES 8192
#define OWNERS (OWNER_UIDS + OWNER_RANGES)
#define OWNER_NOBODY 0xffffffff

/* The tables that fill up, in which each owner has a share. */
enum table {
	TABLE_EXECS = 0,
	TABLE_IMAGES = 1,
	TABLE_SITES = 2,
	TABLE_SAMPLES = 3,
	TABLE_COUNT = 4,
};

/* Entries of an owner in each table (the last element of the array: of all owners), ever made or ever freed. */
struct entries {
	u32 of[TABLE_COUNT];
};

/* What the agent empties as a whole, and then says so by another number of the round. */
enum round {
	ROUND_EVENTS = 0,
	ROUND_PARKS = 1,
	ROUND_COUNT = 2,
};

/* What was put in since the round began; of an earlier round, nothing. */
struct spent {
	u32 round;
	u32 count;
};

struct spending {
	struct spent in[ROUND_COUNT];
};

/*
 * When something was last lost of any image that has no share, by pid modulo LOST_SLOTS: whatever process has such a
 * pid and ran then may have lost it. CLOCK_MONOTONIC.
 */
#define LOST_SLOTS 4096

/* A go statement of a process image. */
struct site_key {
	struct image image;
	u64 pc; /* g.gopc, as the process sees it (with its load bias) */
};

/* Totals since the probes were attached. */
struct site_count {
	u64 created;
	u64 exited;
};

/*
 * Creations of a go statement that took their P's next goroutine ids, each one of 16: since the probe was attached, and
 * those while creations and exits were counted, too.
 */
struct sample_count {
	u64 all;
	u64 counted;
};

/* Where a binary's probe on them finds the new goroutine's go statement: what holds its g, and g.gopc's offset. */
#define G_REGISTERS 8
#define G_ON_STACK 8

struct sample_place {
	u32 g;     /* AX, BX, CX, DX, SI, DI, R8, R9; or G_ON_STACK */
	u32 above; /* where the word on the stack is: bytes from SP */
	u32 gopc;
	u32 padding;
};

/* A process image that has been counted: what it takes of the tables, and what was lost of it. */
struct share {
	struct site_count others; /* at go statements that found no room in the table, together */
	struct sample_count other_samples;
	u64 lost;                 /* counts that are not at their place, counts that are nowhere, and events */
	u32 owner;
	u32 sites;
	u32 samples;
	u32 padding;
	struct spending spending;
};

/* What was seen at the first creation or exit of a site. */
struct site_origin {
	u64 start_pc; /* g.startpc */
	u64 ip;       /* address of the probe that was hit, with the load bias */
	u32 probe;    /* enum probe */
	u32 padding;
};

/*
 * How often any probe was hit, by pid modulo HIT_SLOTS: no process can have been hit more often than its slot says, and
 * all slots together are read much faster than all sites.
 */
#define HIT_SLOTS 1024

struct hits {
	u64 slots[HIT_SLOTS];
};

struct park_key {
	struct image image;
	u32 reason; /* runtime.waitReason */
	u32 padding;
};

/* The stop-the-world pauses and GC cycles of a process image. Written by one thread at a time: the one that stopped it. */
struct world {
	u64 stopped_at;       /* CLOCK_MONOTONIC; 0 while the world runs */
	u64 cycle_started_at; /* CLOCK_MONOTONIC; 0 when the cycle began before counting did */
	u64 pauses;
	u64 cycles;
	u64 gc_pause_ns;
	u32 reason; /* runtime.stwReason of the present stop */
	u32 padding;
};

/*
 * A timeline that is being recorded of a process, by the number of its binary: whose it is, where its binary keeps what
 * of a goroutine, and how far it is.
 */
#define NO_OFFSET 0xffffffff

struct timeline {
	u32 tgid;
	u32 goid;      /* offsets in runtime.g; NO_OFFSET for a version without the field */
	u32 waitreason;
	u32 gopc;
	u32 startpc;
	u32 parent;
	u64 most_hits; /* the last hit that is recorded; what comes after ends the timeline */
	u64 hits;
	u64 lost;      /* changes for which the ring buffer had no room */
	u64 ended_at;  /* CLOCK_MONOTONIC; 0 before that */
	u64 ip;        /* address of the probe, with the load bias; 0 before the first hit */
};

/* One goroutine changes its status. The fields of its life are read where it begins and ends, and are 0 else. */
struct transition {
	u64 at; /* CLOCK_MONOTONIC */
	u64 g;
	u64 goid;
	u64 gopc;
	u64 startpc;
	u64 parent;
	u32 thread;
	u32 cpu;
	u32 from; /* runtime.g.atomicstatus */
	u32 to;
	u32 reason; /* runtime.waitReason */
	u32 padding;
};

/* Addresses of code, relative to the probe that asks: `size` bytes from `first` on (which may be negative). */
struct code_range {
	u64 first;
	u64 size;
};

enum probe {
	PROBE_CREATED = 1,
	PROBE_EXITED = 2,
	PROBE_IDS_TAKEN = 3,
};

enum event_kind {
	EVENT_EXEC = 1,
	EVENT_EXIT = 2,
	EVENT_PAUSE = 3,
	EVENT_CYCLE = 4,
	EVENT_HIT = 5, /* the first hit since the agent asked for it; nothing else is said */
};

struct event {
	u32 kind; /* enum event_kind */
	u32 tgid;
	u32 epoch;
	u32 binary;     /* EVENT_PAUSE, EVENT_CYCLE: the probe's cookie */
	u32 reason;     /* EVENT_PAUSE: runtime.stwReason */
	u32 padding;
	u64 at;         /* CLOCK_MONOTONIC: exec, exit, stop, begin of mark termination */
	u64 started_at; /* EVENT_CYCLE: when the world stopped for sweep termination, or 0 */
	u64 duration;   /* EVENT_PAUSE: ns */
	u64 ordinal;    /* EVENT_PAUSE, EVENT_CYCLE: position among the image's own, from 0 */
};

/* Index into the losses array. gosonde_agent.model.losses has the same names. */
enum loss {
	LOSS_SITES_FULL = 0,
	LOSS_EVENTS_FULL = 1,
	LOSS_IMAGES_FULL = 2,
	LOSS_WORLDS_FULL = 3,
	LOSS_PARKS_FULL = 4,
	LOSS_GOPC_UNREADABLE = 5,
	LOSS_SHARES_FULL = 6,
	LOSS_SAMPLES_UNPLACED = 7,
	LOSS_COUNT = 8,
};

#endif
