"""Pyroscope, by PusherService.Push of its API, with JSON over HTTP."""

import base64
import json
import ssl
import uuid
from typing import Final

from gosonde_collector.model.http_url import parsed
from gosonde_collector.outward.posting import post
from gosonde_collector.outward.profiles.profile import Profile

PATH: Final = "/push.v1.PusherService/Push"


class Pyroscope:
    """A ProfileServer."""

    kind = "pyroscope"

    def __init__(self, given: str, tls: ssl.SSLContext | None) -> None:
        url = parsed(given, "profiles_to")
        self.place = url.place
        self.given = given
        self._url = url.below(PATH)
        self._tls = tls

    async def push(self, profile: Profile) -> None:
        """See ProfileServer."""
        sample = {"ID": str(uuid.UUID(profile.id)), "rawProfile": base64.b64encode(profile.pprof).decode()}
        labels = [{"name": name, "value": value} for name, value in sorted(profile.labels.items())]
        body = json.dumps({"series": [{"labels": labels, "samples": [sample]}]}).encode()
        await post(self._url, body, {"Content-Type": "application/json"}, self._tls)
