"""The body of a webhook: a document by default, or what a template makes of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gosonde_common.errors import UsageError
from gosonde_common.foreign import shown

from gosonde_collector.model.errors import DeliveryError, Undelivered
from gosonde_collector.outward.alerts.alert import SECOND, Alert, iso
from gosonde_collector.outward.alerts.ledger import Message

if TYPE_CHECKING:
    from jinja2 import Template

MOST_TEMPLATE_BYTES: Final = 64 << 10
MOST_BODY_BYTES: Final = 256 << 10
#: A template that fails with this one is refused at the start.
SAMPLE: Final = Alert(
    finding="0123456789abcdef",
    severity="warning",
    state="growing",
    labels={"alertname": "GoGoroutinesLeak", "finding": "0123456789abcdef", "host": "web-1", "service": "shop"},
    annotations={"summary": "main.leak in shop on web-1: 100 live goroutines", "state": "growing"},
    starts_unix_nano=SECOND,
)


def document(message: Message) -> dict[str, Any]:
    """What a body says by default, and what a template has. docs/alerts.md describes each name."""
    alert, ended = message.alert, message.ended_unix_nano
    return {
        "status": "firing" if message.is_firing else "resolved",
        "finding": alert.finding,
        "severity": alert.severity,
        "state": alert.state,
        "starts_at": iso(alert.starts_unix_nano),
        "ends_at": iso(ended) if ended else None,
        "labels": alert.all_labels,
        "annotations": dict(alert.annotations),
        "url": alert.url,
    }


class Body:
    """Makes bodies; without a template each is `document`.

    Raises:
        UsageError: The template cannot be read, is none, or makes no JSON. The message says where.
    """

    def __init__(self, path: str = "") -> None:
        self._template = _read(path) if path else None
        if self._template:
            for sample in (Message(SAMPLE), Message(SAMPLE, 2 * SECOND)):
                try:
                    self.of(sample)
                except DeliveryError as error:
                    raise UsageError(f"webhook_template: {path}: {error}") from error

    def of(self, message: Message) -> bytes:
        """The body; empty where the template has nothing to say. Raises DeliveryError: it makes no JSON."""
        values = document(message)
        if self._template is None:
            return json.dumps(values).encode()
        text = _rendered(self._template, values).strip()
        if not text:
            return b""
        try:
            json.loads(text)
        except ValueError as error:
            raise DeliveryError(f"what it makes is no JSON: {error}", Undelivered.TEMPLATE) from error
        return text.encode()


def _read(path: str) -> "Template":
    # Who has no template does not need what it needs.
    from jinja2 import StrictUndefined, TemplateError  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_TEMPLATE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"webhook_template: {path} cannot be read: {error.strerror}") from error
    if len(content) > MOST_TEMPLATE_BYTES:
        raise UsageError(f"webhook_template: {path} is larger than {MOST_TEMPLATE_BYTES:,} bytes")
    # Its texts are for JSON, not for a page: `tojson` is what escapes them.
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    try:
        return environment.from_string(content.decode())
    except UnicodeDecodeError as error:
        raise UsageError(f"webhook_template: {path} is not UTF-8: {error.reason}") from error
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        raise UsageError(f"webhook_template: {path}{where}: {error}") from error


def _rendered(template: "Template", values: Mapping[str, Any]) -> str:
    pieces: list[str] = []
    room = MOST_BODY_BYTES
    try:
        for piece in template.generate(values):
            room -= len(piece)
            if room < 0:
                break
            pieces.append(piece)
    except Exception as error:  # whatever a template can do wrong: it is code
        raise DeliveryError(shown(error), Undelivered.TEMPLATE) from error
    if room < 0:
        raise DeliveryError(f"it makes more than {MOST_BODY_BYTES:,} characters", Undelivered.TEMPLATE)
    return "".join(pieces)
