"""runtime.waitReasonStrings by Go version: they are renumbered from release to release."""

_OLDEST = (
    "",
    "GC assist marking",
    "IO wait",
    "chan receive (nil chan)",
    "chan send (nil chan)",
    "dumping heap",
    "garbage collection",
    "garbage collection scan",
    "panicwait",
    "select",
    "select (no cases)",
    "GC assist wait",
    "GC sweep wait",
    "GC scavenge wait",
    "chan receive",
    "chan send",
    "finalizer wait",
    "force gc (idle)",
)
_GC_TAIL = ("trace reader (blocked)", "wait for GC cycle", "GC worker (idle)")
_LOCKS = ("sync.Cond.Wait", "sync.Mutex.Lock", "sync.RWMutex.RLock", "sync.RWMutex.Lock")
_STOP_TAIL = ("GC worker (active)", "preempted", "debug call", "GC mark termination", "stopping the world")
_TRACE_TAIL = (
    "flushing proc caches",
    "trace goroutine status",
    "trace proc status",
    "page trace flush",
    "coroutine",
)
_WEAK = ("GC weak to strong wait",)
_DURABLE = (
    "synctest.Run",
    "synctest.Wait",
    "chan receive (durable)",
    "chan send (durable)",
    "select (durable)",
    "sync.WaitGroup.Wait (durable)",
    "cleanup wait",
)

_GO_119 = (
    *_OLDEST,
    "semacquire",
    "sleep",
    "sync.Cond.Wait",
    "timer goroutine (idle)",
    *_GC_TAIL,
    "preempted",
    "debug call",
)
_GO_120 = (*_OLDEST, "semacquire", "sleep", *_LOCKS, *_GC_TAIL, *_STOP_TAIL)
_GO_122 = (*_GO_120, *_TRACE_TAIL)
_GO_123 = (*_GO_122, *_WEAK)
_GO_124 = (
    *_OLDEST,
    "semacquire",
    "sleep",
    *_LOCKS,
    "sync.WaitGroup.Wait",
    *_GC_TAIL,
    *_STOP_TAIL,
    *_TRACE_TAIL,
    *_WEAK,
    "synctest.Run",
    "synctest.Wait",
    "chan receive (synctest)",
    "chan send (synctest)",
    "select (synctest)",
)
_GO_125 = (
    *_OLDEST,
    "GOMAXPROCS updater (idle)",
    "semacquire",
    "sleep",
    *_LOCKS,
    "sync.WaitGroup.Wait",
    *_GC_TAIL,
    *_STOP_TAIL,
    *_TRACE_TAIL,
    *_WEAK,
    *_DURABLE,
)
_GO_126 = (
    "",
    "GC assist marking",
    "IO wait",
    "dumping heap",
    "garbage collection",
    "garbage collection scan",
    "panicwait",
    "GC assist wait",
    "GC sweep wait",
    "GC scavenge wait",
    "finalizer wait",
    "force gc (idle)",
    "GOMAXPROCS updater (idle)",
    "semacquire",
    "sleep",
    "chan receive (nil chan)",
    "chan send (nil chan)",
    "select (no cases)",
    "select",
    "chan receive",
    "chan send",
    *_LOCKS,
    "sync.WaitGroup.Wait",
    *_GC_TAIL,
    *_STOP_TAIL,
    *_TRACE_TAIL,
    *_WEAK,
    *_DURABLE,
)

_BY_MINOR = {
    17: _GO_119,
    18: _GO_119,
    19: _GO_119,
    20: _GO_120,
    21: _GO_120,
    22: _GO_122,
    23: _GO_123,
    24: _GO_124,
    25: _GO_125,
    26: _GO_126,
    27: _GO_126,
}


def wait_reason(minor: int, code: int) -> str:
    """runtime.waitReason.String of Go 1.`minor`; "wait reason N" where the table has no such number."""
    names = _BY_MINOR.get(minor, ())
    return names[code] if code < len(names) else f"wait reason {code}"
