"""From events to log records of the SDK."""

from collections.abc import Sequence

from opentelemetry._logs import LogRecord, SeverityNumber  # noqa: PLC2701 - logs have no other name there yet
from opentelemetry.sdk._logs import ReadableLogRecord  # noqa: PLC2701
from opentelemetry.sdk.resources import Resource

from gosonde_common.foreign import shown
from gosonde_common.otlp.events import Event
from gosonde_common.otlp.targets import MAX_TEXT, Naming
from gosonde_common.otlp.translation import SCOPE


def records(events: Sequence[Event], naming: Naming) -> list[ReadableLogRecord]:
    """Each with the resource of its process."""
    return [_record(event, naming) for event in events]


def _record(event: Event, naming: Naming) -> ReadableLogRecord:
    attributes = {
        key: shown(value, MAX_TEXT) if isinstance(value, str) else value for key, value in event.attributes.items()
    }
    unix_nano = max(event.unix_nano, 0)
    record = LogRecord(
        timestamp=unix_nano,
        observed_timestamp=unix_nano,
        severity_text=event.severity.name,
        severity_number=SeverityNumber(event.severity.value),
        body=shown(event.body, MAX_TEXT),
        attributes=attributes,
        event_name=event.name,
    )
    return ReadableLogRecord(record, Resource(naming.of_process(event.target)), SCOPE)
