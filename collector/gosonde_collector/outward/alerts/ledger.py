"""What one receiver knows, and what it is to be sent now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from gosonde_collector.outward.alerts.alert import SEVERITIES, Alert
from gosonde_collector.store.records import Reported

#: Alerts of which a receiver knows at a time.
MOST_ALERTS: Final = 2_000
#: Why a finding is over that is nowhere to be found.
GONE: Final = "gone"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What every receiver should know.

    Attributes:
        alerts: By the id of the finding, the most important first.
        others: Why the other findings are no alerts, by id: the state of one that is over, or "muted".
    """

    alerts: Mapping[str, Alert]
    others: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """What a receiver is sent of one alert: that it goes on or, with `ended_unix_nano`, that it is over."""

    alert: Alert
    ended_unix_nano: int = 0

    @property
    def is_firing(self) -> bool:
        """Whether it goes on."""
        return not self.ended_unix_nano


@dataclass(frozen=True, slots=True)
class Manner:
    """How a receiver wants to be served.

    Attributes:
        repeat_ns: After what time it is sent again what goes on; 0 for never.
        by_labels: It knows alerts by their labels, so that others make another alert; else by the finding's id.
    """

    repeat_ns: int = 0
    by_labels: bool = False


class Ledger:
    """Of one receiver. What was delivered is noted at once; `reported` is to be stored when `number` has changed.

    Attributes:
        number: Grows with each change that a restart has to know of.
        left_out: Findings of which it gets nothing, as there are too many.
    """

    def __init__(self, receiver: str, manner: Manner, reported: Mapping[str, Reported]) -> None:
        self._receiver = receiver
        self._manner = manner
        self._reported = dict(reported)
        self._known = {key: Alert.from_document(one.document) for key, one in reported.items()}
        # When it was sent in this run: after a restart it is sent again at once.
        self._reported_at: dict[str, int] = {}
        self.number = 0
        self.left_out: frozenset[str] = frozenset()

    @property
    def reported(self) -> list[Reported]:
        """For the store."""
        return list(self._reported.values())

    def due(self, wanted: Wanted, now_unix_nano: int) -> list[Message]:
        """What is over first, then what is new, then what is repeated."""
        over = [self._ended(key, wanted, now_unix_nano) for key in self._known if key not in wanted.alerts]
        fresh: list[Message] = []
        again: list[Message] = []
        for alert in self._chosen(wanted):
            known = self._known.get(alert.finding)
            if known is None or not self._is_same(known, alert):
                fresh += self._changed(known, alert, now_unix_nano)
            elif self._is_old(alert.finding, now_unix_nano):
                again.append(Message(alert))
        return over + fresh + again

    def delivered(self, message: Message, now_unix_nano: int) -> None:
        """The receiver knows it now."""
        alert = message.alert
        before = self._known.get(alert.finding)
        if not message.is_firing:
            self._known.pop(alert.finding, None)
            self._reported.pop(alert.finding, None)
            self._reported_at.pop(alert.finding, None)
            self.number += before is not None
            return
        self._known[alert.finding] = alert
        self._reported[alert.finding] = Reported(self._receiver, alert.finding, alert.document())
        self._reported_at[alert.finding] = now_unix_nano
        self.number += before is None or not self._is_same(before, alert)

    def _chosen(self, wanted: Wanted) -> Iterator[Alert]:
        """What it is sent: what it knows already, and of the rest as much as there is room for."""
        known = [alert for key, alert in wanted.alerts.items() if key in self._known]
        others = [alert for key, alert in wanted.alerts.items() if key not in self._known]
        room = max(MOST_ALERTS - len(self._known), 0)
        self.left_out = frozenset(alert.finding for alert in others[room:])
        for alert in known + others[:room]:
            before = self._known.get(alert.finding, alert)
            yield replace(alert, severity=max(before.severity, alert.severity, key=SEVERITIES.index))

    def _is_same(self, known: Alert, alert: Alert) -> bool:
        """Whether the receiver would take it for what it knows."""
        is_known_so = known.labels == alert.labels or not self._manner.by_labels
        return is_known_so and known.severity == alert.severity

    def _changed(self, known: Alert | None, alert: Alert, now_unix_nano: int) -> Iterator[Message]:
        if known and self._manner.by_labels:
            yield Message(known, now_unix_nano)
        yield Message(alert)

    def _is_old(self, finding: str, now_unix_nano: int) -> bool:
        age = now_unix_nano - self._reported_at.get(finding, 0)
        return 0 < self._manner.repeat_ns <= age

    def _ended(self, finding: str, wanted: Wanted, now_unix_nano: int) -> Message:
        known, state = self._known[finding], wanted.others.get(finding, GONE)
        annotations = {**known.annotations, "state": state}
        return Message(replace(known, state=state, annotations=annotations), now_unix_nano)
