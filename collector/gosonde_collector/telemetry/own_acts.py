"""What is done at the collector itself is stored before it is done."""

import itertools
import threading
import uuid
from collections.abc import Callable

from gosonde_common.clock import steady_unix_nano
from gosonde_common.foreign import bounded
from gosonde_common.ratelimit import MessageLimiter
from gosonde_common.values.audit import MAX_DETAIL, MAX_WHO, Act, AuditEvent

from gosonde_collector.model.by import By
from gosonde_collector.model.values import ProcessFilter, ProcessKey
from gosonde_collector.store.protocol import Store


class OwnActs:
    """Of one run of the collector; any thread may note. The store blocks."""

    def __init__(self, store: Store, now: Callable[[], int] = steady_unix_nano) -> None:
        self._store = store
        self._now = now
        self._run = uuid.uuid4().hex
        self._ordinals = itertools.count()
        self._repeated = MessageLimiter()
        self._lock = threading.Lock()

    def note(self, act: Act, by: By, host: str = "", process: ProcessKey | None = None, *, detail: str = "") -> None:
        """Stores that something is about to be done; what is repeated within a minute is one event.

        Args:
            host: Where the process runs that it is about; "" when it is about none.

        Raises:
            DiskFullError: It cannot be stored.
            StoreError: The same.
        """
        pid = process.pid if process else 0
        detail = bounded(", ".join(filter(None, (detail, by.why))), MAX_DETAIL)
        same = repr((act, by, host, pid, detail))
        with self._lock:  # until it is stored: whoever does the same meanwhile relies on it
            if not self._repeated.allows(same):
                return
            try:
                who, exe = bounded(by.who, MAX_WHO), self._exe(host, process)
                event = AuditEvent(next(self._ordinals), self._now(), act, by.actor, who, pid, exe, detail)
                self._store.add_audit(host, self._run, event)
            except BaseException:
                self._repeated.forget(same)
                raise

    def _exe(self, host: str, process: ProcessKey | None) -> str:
        if process is None:
            return ""
        known = self._store.processes(ProcessFilter(host, process.pid))
        return next((one.process.exe for one in known if one.process.key == process), "")
