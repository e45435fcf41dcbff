"""From metrics of Prometheus to the data model of OpenTelemetry: one resource for each process.

The SDK's meters know one resource each. A process has about ten series here, and a meter provider of its own for each
process would cost more than these: so the values go to the exporters in the form that meters give them (ADR 0174).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Metric as Exported
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from gosonde_common import __version__
from gosonde_common.foreign import shown
from gosonde_common.metrics import FailedGroup
from gosonde_common.otlp.counts import METRICS, Counts
from gosonde_common.otlp.outcome import Reason
from gosonde_common.otlp.rules import ATTRIBUTES, FIGURES, GC_CYCLES, GOROUTINES, RULES, Kind, Rule
from gosonde_common.otlp.targets import MAX_TEXT, Figures, Naming, Target
from gosonde_common.owners import OTHERS, Owner
from gosonde_common.values.runtime import UNLIMITED

SCOPE: Final = InstrumentationScope("gosonde", __version__)
#: A request of more bytes takes no further resource: receivers refuse those of more than 4 MiB.
MAX_REQUEST: Final = 1 << 20
#: What a data point takes beside its texts, in bytes.
POINT: Final = 64
#: 64-bit integers.
MAX_INT: Final = (1 << 63) - 1

Attributes = dict[str, str | int]
#: Host, pid and executable of a process; host alone for what is about a host, and nothing for the service itself.
Subject = tuple[str, str, str]
NOBODY: Final = ("", "", "")


class Request(NamedTuple):
    """What one request has, and how many data points that is."""

    data: MetricsData
    points: int


class _Point(NamedTuple):
    attributes: Attributes
    value: float
    #: Counts by bucket, sum and upper bounds, of a histogram.
    histogram: tuple[list[int], float, list[float]] | None = None
    #: When it was read, and from when on it counts, where that is not so of the whole process.
    times: tuple[int, int] | None = None


_Points = dict[Rule, list[_Point]]


class Translation:
    """Of one moment."""

    def __init__(self, figures: Figures, naming: Naming, now_unix_nano: int, counts: Counts) -> None:
        self._figures = figures
        self._naming = naming
        self._now = now_unix_nano
        self._counts = counts
        self._targets = {target.owner.process: target for target in figures.targets}
        self._subjects: defaultdict[Subject, _Points] = defaultdict(lambda: defaultdict(list))

    def requests(self) -> Iterator[Request]:
        """Everything, in requests of a bounded size."""
        self._counts.left_out = self._figures.left_out
        for target in self._figures.targets:
            self._add_totals(target)
        for family in self._figures.families:
            self._add(family)
        resources: list[ResourceMetrics] = []
        size = points = 0
        for subject, measured in self._subjects.items():
            if resources and size >= MAX_REQUEST:
                yield Request(MetricsData(resources), points)
                resources, size, points = [], 0, 0
            resources.append(self._resource(subject, measured))
            size += _size(resources[-1].resource.attributes)
            size += sum(_point_size(point) for each in measured.values() for point in each)
            points += sum(map(len, measured.values()))
        if resources:
            yield Request(MetricsData(resources), points)

    def _add_totals(self, target: Target) -> None:
        points = self._subjects[target.owner.process]
        if target.goroutines is not None:
            points[GOROUTINES].append(_Point({}, target.goroutines))
        if target.gc_cycles is not None:
            points[GC_CYCLES].append(_Point({}, target.gc_cycles))
        if read := target.runtime_figures:
            taken = _within(read.read_unix_nano, self._now)
            times = taken, _within(target.started_unix_nano, taken)
            for rule, field, attributes in FIGURES:
                if (value := getattr(read, field)) not in {None, UNLIMITED}:
                    points[rule].append(_Point(dict(attributes), value, times=times))

    def _add(self, family: Metric) -> None:
        if isinstance(family, FailedGroup):
            self._counts.failed(METRICS, Reason.INTERNAL)
        elif rule := RULES.get(family.name):
            if rule.kind is Kind.HISTOGRAM:
                self._add_histograms(rule, family)
                return
            for sample in family.samples:
                self._subjects[_subject(sample)][rule].append(_Point(_attributes(sample.labels), sample.value))

    def _add_histograms(self, rule: Rule, family: Metric) -> None:
        """Samples of one histogram follow each other, the buckets first."""
        below: list[tuple[float, int]] = []
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                below.append((float(sample.labels["le"]), int(sample.value)))
            elif sample.name.endswith("_sum"):
                counts = [count - before for (_, count), (_, before) in zip(below, [(0, 0), *below], strict=False)]
                histogram = counts, sample.value, [bound for bound, _ in below[:-1]]
                point = _Point(_attributes(sample.labels), below[-1][1], histogram)
                self._subjects[_subject(sample)][rule].append(point)
                below = []

    def _resource(self, subject: Subject, measured: _Points) -> ResourceMetrics:
        host, pid, exe = subject
        target = (self._targets.get(subject) or Target(Owner(host, pid, exe))) if pid else None
        attributes = self._naming.of_process(target) if target else self._naming.of_host(host)
        taken = _within(self._now - self._figures.ages.get(host, 0), self._now)
        since = _within(target.since_unix_nano if target else 0, taken)
        metrics = [self._metric(rule, points, since, taken) for rule, points in measured.items()]
        return ResourceMetrics(Resource(attributes), [ScopeMetrics(SCOPE, metrics, "")], "")

    def _metric(self, rule: Rule, points: list[_Point], since: int, taken: int) -> Exported:
        cumulative = AggregationTemporality.CUMULATIVE
        if rule.kind is Kind.HISTOGRAM:
            began = min(self._figures.started_unix_nano, taken)
            histograms = [_histogram(point, began, taken) for point in points]
            return Exported(rule.name, "", rule.unit, Histogram(histograms, cumulative))
        numbers = [_number_point(rule, point, *(point.times or (taken, since))) for point in points]
        if rule.kind is Kind.GAUGE:
            return Exported(rule.name, "", rule.unit, Gauge(numbers))
        return Exported(rule.name, "", rule.unit, Sum(numbers, cumulative, is_monotonic=rule.kind is Kind.COUNTER))


def _subject(sample: Sample) -> Subject:
    """A process; or its host, for what is summed over many."""
    labels = sample.labels
    host, pid = labels.get("host", ""), labels.get("pid", "")
    return (host, pid, labels.get("exe", "")) if pid.isdecimal() else (host, "", "")


def _attributes(labels: Mapping[str, str]) -> Attributes:
    found: Attributes = {}
    for label, value in labels.items():
        if label == "location":
            found.update(_place(value))
        elif value and label in ATTRIBUTES:
            found[ATTRIBUTES[label]] = shown(value, MAX_TEXT)
    if labels.get("pid") == OTHERS:
        found["gosonde.process"] = OTHERS
    return found


def _place(location: str) -> Attributes:
    file, _, line = location.rpartition(":")
    if not file or not line.isdecimal():
        return {}
    return {"code.file.path": shown(file, MAX_TEXT), "code.line.number": min(int(line[:19]), MAX_INT)}


def _size(attributes: Mapping[str, object]) -> int:
    return sum(len(key) + 4 * len(str(value)) for key, value in attributes.items())


def _point_size(point: _Point) -> int:
    buckets = len(point.histogram[0]) if point.histogram else 0
    return POINT + 16 * buckets + _size(point.attributes)


def _within(unix_nano: int, last: int) -> int:
    """The time, or the nearest one that may be: agents say it, and nobody trusts them."""
    return max(min(unix_nano, last), 0)


def _number_point(rule: Rule, point: _Point, taken: int, since: int) -> NumberDataPoint:
    start = since if rule.kind is Kind.COUNTER else 0
    return NumberDataPoint(point.attributes, start, taken, _number(point.value))


def _number(value: float) -> int | float:
    """Whole numbers as integers, where 64 bits have room for them."""
    return int(value) if value == value // 1 and abs(value) < MAX_INT else float(value)


def _histogram(point: _Point, began: int, taken: int) -> HistogramDataPoint:
    counts, total, bounds = point.histogram or ([], 0.0, [])
    return HistogramDataPoint(
        point.attributes,
        began,
        taken,
        count=int(point.value),
        sum=total,
        bucket_counts=counts,
        explicit_bounds=bounds,
        min=None,  # type: ignore[arg-type] # neither is known, and the message has both as optional
        max=None,  # type: ignore[arg-type]
    )
