"""structlog set up once per process: JSON to stderr for services, readable lines for people at a terminal."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from gosonde_common import foreign, journal

#: Keys whose values have lines of their own: tracebacks.
OF_LINES = ("exception", "stack")


def configure(*, json: bool, level: str = "info") -> None:
    """Sets the process's log format and its least level (a name such as "info" or "debug")."""
    renderer = (
        structlog.processors.JSONRenderer(_serialized)
        if json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *([] if json else [_shown]),
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        # A logger that is cached would keep the level that it began with.
        cache_logger_on_first_use=False,
    )
    set_level(level)


def set_level(level: str) -> None:
    """Changes the least level; the format stays."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))


def _serialized(event: EventDict, **_: Any) -> str:  # noqa: ANN401 - structlog's own options
    texts = {key: event[key] for key in OF_LINES if key in event}
    return journal.prefix(event["level"]) + foreign.dumps({**foreign.cut(event), **texts})


def _shown(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """For people: keys that say nothing are left out."""
    return {
        key: foreign.lines(value) if key in OF_LINES else foreign.shown_within(value)
        for key, value in event.items()
        if value != ""
    }
