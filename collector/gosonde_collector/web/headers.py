"""What every answer says to the browser: nothing from elsewhere, nothing inline, no frame around it."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

from gosonde_common.flames.svg import inline_texts

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: Of all answers; `no-referrer` would have browsers hide the origin of our own forms.
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _of_flames() -> str:
    script, style = map(_hash, inline_texts())
    return f"default-src 'none'; script-src {script}; style-src {style}; base-uri 'none'; frame-ancestors 'self'"


#: Of a flame graph: its own script and style, and no others, in a frame of ours.
FLAMES: Final[Mapping[str, str]] = {"content-security-policy": _of_flames(), "x-frame-options": "SAMEORIGIN"}
