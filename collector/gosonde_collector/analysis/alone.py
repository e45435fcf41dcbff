"""Keeps what goes wrong with one site or process from ending the analysis of the others."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from gosonde_common.ratelimit import MessageLimiter

from gosonde_collector.model.errors import StoreError

log = structlog.get_logger(__name__)


class Alone:
    """Attributes:
    failures: Steps that were left out for one site or process, since the start.
    """

    def __init__(self) -> None:
        self.failures = 0
        self._message_limiter = MessageLimiter()

    @contextmanager
    def step(self, name: str, of: object) -> Iterator[None]:
        """Around a step of the analysis of one of many: a failure of ours is logged and counted, and costs no other.

        Raises:
            StoreError: The store failed, which concerns all.
        """
        try:
            yield
        except StoreError:
            raise
        except Exception:
            self.failures += 1
            if self._message_limiter.allows(name):
                log.exception("a step of the analysis was left out", step=name, of=str(of))
