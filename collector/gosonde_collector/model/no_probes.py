"""Why agents may place no probes on their hosts."""

from collections import OrderedDict
from typing import Final

from gosonde_common.foreign import bounded

#: Hosts that are remembered, and characters of each reason.
MAX_HOSTS: Final = 10_000
MAX_REASON: Final = 500


class NoProbes:
    """What agents gave last as the reason, by host. It does not outlive the collector: each says it when it connects.

    Any thread may ask while the event loop learns.
    """

    def __init__(self) -> None:
        self._reasons: OrderedDict[str, str] = OrderedDict()

    def learn(self, host: str, because: str) -> None:
        """Keeps a reason. Without one nothing is forgotten: processes of before are asked about, too."""
        if not because:
            return
        self._reasons[host] = bounded(because, MAX_REASON)
        self._reasons.move_to_end(host)
        if len(self._reasons) > MAX_HOSTS:
            self._reasons.popitem(last=False)

    def because(self, host: str) -> str:
        """The reason of a host; empty when none is known."""
        return self._reasons.get(host, "")
