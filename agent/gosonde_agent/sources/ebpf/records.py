"""The structs of probes/gosonde.h as numpy dtypes. A test compares them with the compiler's offsets."""

import struct

import numpy as np

IMAGE = np.dtype([("tgid", "<u4"), ("epoch", "<u4"), ("binary", "<u4"), ("padding", "<u4")])
EXEC = np.dtype([("epoch", "<u4"), ("owner", "<u4")])
SITE_KEY = np.dtype([("image", IMAGE), ("pc", "<u8")])
SITE_COUNT = np.dtype([("created", "<u8"), ("exited", "<u8")])
SITE_ORIGIN = np.dtype([("start_pc", "<u8"), ("ip", "<u8"), ("probe", "<u4"), ("padding", "<u4")])
#: Users among whom the tables are shared; one more element of `freed` is of all together.
OWNERS, OWNER_NOBODY = 16_384, 0xFFFF_FFFF
#: enum table.
TABLE_EXECS, TABLE_IMAGES, TABLE_SITES, TABLE_SAMPLES = range(4)
ENTRIES = np.dtype([("of", "<u4", 4)])
#: enum round.
ROUND_EVENTS, ROUND_PARKS = range(2)
SPENDING = np.dtype([("in", [("round", "<u4"), ("count", "<u4")], 2)])
SAMPLE_COUNT = np.dtype([("all", "<u8"), ("counted", "<u8")])
SAMPLE_PLACE = np.dtype([("g", "<u4"), ("above", "<u4"), ("gopc", "<u4"), ("padding", "<u4")])
#: Values of sample_place.g; one more is a word on the stack.
G_REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9")
SHARE = np.dtype(
    [
        ("others", SITE_COUNT),
        ("other_samples", SAMPLE_COUNT),
        ("lost", "<u8"),
        ("owner", "<u4"),
        ("sites", "<u4"),
        ("samples", "<u4"),
        ("padding", "<u4"),
        ("spending", SPENDING),
    ]
)
#: Elements of `lost_at`.
LOST_SLOTS = 4096
#: Slots of struct hits.
HIT_SLOTS = 1024
HITS = np.dtype([("slots", "<u8", HIT_SLOTS)])
PARK_KEY = np.dtype([("image", IMAGE), ("reason", "<u4"), ("padding", "<u4")])
#: Of a version of Go whose g does not have the field.
NO_OFFSET = 0xFFFF_FFFF
TIMELINE = np.dtype(
    [
        *((name, "<u4") for name in ("tgid", "goid", "waitreason", "gopc", "startpc", "parent")),
        *((name, "<u8") for name in ("most_hits", "hits", "lost", "ended_at", "ip")),
    ]
)
TRANSITION = np.dtype(
    [
        *((name, "<u8") for name in ("at", "g", "goid", "gopc", "startpc", "parent")),
        *((name, "<u4") for name in ("thread", "cpu", "from", "to", "reason", "padding")),
    ]
)
CODE_RANGE = np.dtype([("first", "<i8"), ("size", "<u8")])
WORLD = np.dtype(
    [
        ("stopped_at", "<u8"),
        ("cycle_started_at", "<u8"),
        ("pauses", "<u8"),
        ("cycles", "<u8"),
        ("gc_pause_ns", "<u8"),
        ("reason", "<u4"),
        ("padding", "<u4"),
    ]
)

#: Its fields are those of `events.Event`.
EVENT = struct.Struct("<IIIIIIQQQQ")
