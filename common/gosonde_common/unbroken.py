"""System calls that are not to be under way when the process ends itself.

A kill in the middle of detaching a uprobe leaves its breakpoint in the target: the kernel looks at the target's memory
with get_user_pages, which gives up for a task with a fatal signal (kernel/events/uprobes.c, "leaking uprobe"). What the
kernel closes for a process that has ended is not concerned: that signal has been taken by then.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: An end waits for no more than this; the longest close that was seen took half a second.
WAIT_SECONDS: Final = 2.0

_condition = threading.Condition()
_under_way: set[object] = set()
_ending = threading.Event()


@contextmanager
def unbroken() -> Iterator[None]:
    """While the block runs, `end_unbroken` waits. Once the process is ending, no further block begins."""
    token = object()
    with _condition:
        if not _ending.is_set():
            _under_way.add(token)
    if token not in _under_way:
        threading.Event().wait()  # the end of the process
    try:
        yield
    finally:
        with _condition:
            _under_way.discard(token)
            _condition.notify_all()


def end_unbroken() -> None:
    """Lets no block begin any more, and returns when none is under way, or after WAIT_SECONDS; for any thread."""
    _ending.set()
    waiting = threading.Thread(target=_wait, daemon=True)  # whoever calls this may hold the lock
    waiting.start()
    waiting.join(WAIT_SECONDS)


def _wait() -> None:
    with _condition:
        _condition.wait_for(lambda: not _under_way)
