import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from gosonde_common.otlp.counts import LOGS, METRICS, Counts
from gosonde_common.otlp.events import MAX_EVENTS, Event, Severity
from gosonde_common.otlp.exporting import TIMEOUT_S, Exporting
from gosonde_common.otlp.keys import GRPC, HTTP, OtlpKeys
from gosonde_common.otlp.outcome import Reason
from gosonde_common.otlp.targets import Figures, Target
from gosonde_common.owners import Owner
from prometheus_client.core import CounterMetricFamily

from tests.certificates import Authority
from tests.otlp_receiver import PATIENCE_S, Received, Tls, grpc_receiver, http_receiver

Receiver = Callable[..., AbstractContextManager[tuple[str, Received]]]
RECEIVERS = [pytest.param(GRPC, grpc_receiver, id="grpc"), pytest.param(HTTP, http_receiver, id="http")]
both = pytest.mark.parametrize(("protocol", "receiver"), RECEIVERS)
#: For requests that nobody answers, in seconds.
SOON_S = 2.0
APP = Target(Owner("web-1", "7", "/srv/app"), "boot", 70, "go1.27", goroutines=12)


@contextmanager
def exporting(keys: OtlpKeys, timeout_s: float = TIMEOUT_S) -> Iterator[Exporting]:
    one = Exporting(lambda: Figures((), (APP,)), "gosonde-collector", "here", timeout_s=timeout_s)
    one.apply(keys)
    try:
        yield one
    finally:
        one.close()


def keys(protocol: str, address: str, scheme: str = "http", **more: Any) -> OtlpKeys:
    return OtlpKeys(otlp=f"{scheme}://{address}", otlp_protocol=protocol, **{"otlp_interval_seconds": 1.0, **more})


def event(number: int = 0) -> Event:
    return Event((f"id-{number}", "opened"), "gosonde.finding", 1_000, Severity.WARN, f"body {number}", APP)


def counted(counts: Counts, name: str, **labels: str) -> float:
    samples = [sample for family in counts.collect() for sample in family.samples]
    return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


def until(holds: Callable[[], Any]) -> None:
    Received().until(holds)


@both
def test_figures_arrive_with_the_resource_of_their_process(protocol: str, receiver: Receiver) -> None:
    with receiver() as (address, received), exporting(keys(protocol, address)) as one:
        point = received.until(lambda: received.points("go.goroutine.count"))[0]
        until(lambda: counted(one.counts, "gosonde_otlp_sent_total", signal=METRICS))
    assert (point.value, point.unit, point.kind) == (12, "{goroutine}", "sum")
    assert not point.point.start_time_unix_nano
    assert point.resource["service.name"] == "app"


@both
def test_an_event_arrives_once_with_severity_body_and_name(protocol: str, receiver: Receiver) -> None:
    with receiver() as (address, received), exporting(keys(protocol, address)) as one:
        one.events.add(event())
        resource, record = received.until(received.events)[0]
        until(lambda: counted(one.counts, "gosonde_otlp_sent_total", signal=LOGS) == 1)
        sent_before = counted(one.counts, "gosonde_otlp_sent_total", signal=METRICS)
        until(lambda: counted(one.counts, "gosonde_otlp_sent_total", signal=METRICS) > sent_before)
    assert resource["process.pid"] == 7
    assert (record.event_name, record.severity_text, record.severity_number) == ("gosonde.finding", "WARN", 13)
    assert record.body.string_value == "body 0"
    assert len(received.events()) == 1


@pytest.mark.parametrize(("compression", "encoding"), [("gzip", "gzip"), ("none", "")])
def test_what_is_sent_is_compressed_unless_that_is_switched_off(compression: str, encoding: str) -> None:
    with http_receiver() as (address, received), exporting(keys(HTTP, address, otlp_compression=compression)):
        received.until(received.points)
    assert set(received.encodings) == {encoding}


@both
def test_both_sides_show_certificates(protocol: str, receiver: Receiver, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, mine = authority.issue("collector"), authority.issue("agent")
    files = {"otlp_ca": str(authority.cert), "otlp_cert": str(mine.cert), "otlp_key": str(mine.key)}
    with (
        receiver(Tls(own, authority)) as (address, received),
        exporting(keys(protocol, address, "https", **files)),
    ):
        assert received.until(received.points)


@both
def test_a_receiver_with_a_certificate_of_another_authority_gets_nothing(
    protocol: str, receiver: Receiver, tmp_path: Path
) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    trusted = keys(protocol, "", "https", otlp_ca=str(other.cert))
    with (
        receiver(Tls(authority.issue("collector"))) as (address, received),
        exporting(OtlpKeys(**{**_values(trusted), "otlp": f"https://{address}"}), SOON_S) as one,
    ):
        until(lambda: counted(one.counts, "gosonde_otlp_failures_total", reason=Reason.UNREACHABLE))
        assert counted(one.counts, "gosonde_otlp_dropped_total", signal=METRICS, reason=Reason.UNREACHABLE) == 1
    assert received.calls == 0


def _values(of: OtlpKeys) -> dict[str, Any]:
    return {name: getattr(of, name) for name in OtlpKeys.__dataclass_fields__}


@both
def test_a_client_without_a_certificate_is_counted_as_unreachable_where_one_is_wanted(
    protocol: str, receiver: Receiver, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    with (
        receiver(Tls(authority.issue("collector"), authority)) as (address, received),
        exporting(keys(protocol, address, "https", otlp_ca=str(authority.cert)), SOON_S) as one,
    ):
        until(lambda: counted(one.counts, "gosonde_otlp_failures_total", reason=Reason.UNREACHABLE))
    assert received.calls == 0


@both
def test_a_wrong_token_is_counted_and_the_right_one_is_taken_from_the_changed_file(
    protocol: str, receiver: Receiver, tmp_path: Path
) -> None:
    headers = tmp_path / "headers"
    headers.write_text("# of the receiver\nAuthorization: Bearer wrong\n")
    with receiver() as (address, received):
        received.token = "Bearer right"  # noqa: S105 - of this test alone
        with exporting(keys(protocol, address, otlp_headers=str(headers)), SOON_S) as one:
            one.events.add(event())
            until(lambda: counted(one.counts, "gosonde_otlp_failures_total", signal=LOGS, reason=Reason.CREDENTIALS))
            assert not received.events()
            headers.write_text("Authorization: Bearer right\n")
            assert received.until(received.events)
            assert received.until(received.points)
    assert counted(one.counts, "gosonde_otlp_dropped_total", signal=LOGS) == 0


@both
def test_elements_that_a_receiver_leaves_out_are_counted_as_refused(protocol: str, receiver: Receiver) -> None:
    with receiver() as (address, received):
        received.rejects = 1
        with exporting(keys(protocol, address, otlp_interval_seconds=3_600.0)) as one:
            one.events.add(event())
            until(lambda: counted(one.counts, "gosonde_otlp_dropped_total", reason=Reason.REFUSED) == 2)
            until(lambda: not one.counts.queued)
    assert counted(one.counts, "gosonde_otlp_sent_total") == 0
    assert counted(one.counts, "gosonde_otlp_failures_total") == 0


@pytest.mark.parametrize(
    ("protocol", "receiver", "status"),
    [
        pytest.param(GRPC, grpc_receiver, grpc.StatusCode.INVALID_ARGUMENT, id="grpc"),
        pytest.param(HTTP, http_receiver, 400, id="http"),
        pytest.param(HTTP, http_receiver, 404, id="other path"),
    ],
)
def test_an_event_that_is_refused_for_good_is_dropped_and_counted(
    protocol: str, receiver: Receiver, status: Any
) -> None:
    with receiver() as (address, received):
        received.fails = status
        with exporting(keys(protocol, address)) as one:
            one.events.add(event())
            until(lambda: counted(one.counts, "gosonde_otlp_dropped_total", signal=LOGS, reason=Reason.REFUSED) == 1)
            until(lambda: not one.counts.queued)


def test_a_redirection_is_not_followed_and_counts_as_refused() -> None:
    with http_receiver() as (other, never), http_receiver() as (address, received):
        received.fails, received.location = 307, f"http://{other}/v1/metrics"
        with exporting(keys(HTTP, address)) as one:
            until(lambda: counted(one.counts, "gosonde_otlp_dropped_total", reason=Reason.REFUSED))
    assert never.calls == 0


@pytest.mark.parametrize("answer", [b"<html>welcome</html>", b"\xff" * 200_000])
def test_a_server_that_speaks_something_else_has_accepted_nothing(answer: bytes) -> None:
    with http_receiver() as (address, received):
        received.answer = answer
        with exporting(keys(HTTP, address)) as one:
            until(lambda: counted(one.counts, "gosonde_otlp_dropped_total", reason=Reason.REFUSED))
    assert counted(one.counts, "gosonde_otlp_sent_total") == 0


@both
def test_events_wait_for_a_receiver_that_does_not_run_yet(protocol: str, receiver: Receiver) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    with receiver() as (address, received), exporting(keys(protocol, nobody), SOON_S) as one:
        one.events.add(event())
        until(lambda: counted(one.counts, "gosonde_otlp_failures_total", signal=LOGS, reason=Reason.UNREACHABLE))
        until(lambda: counted(one.counts, "gosonde_otlp_dropped_total", signal=METRICS, reason=Reason.UNREACHABLE))
        one.apply(keys(protocol, address))
        assert received.until(received.events)
    assert counted(one.counts, "gosonde_otlp_dropped_total", signal=LOGS) == 0


@both
def test_an_event_that_is_on_its_way_at_the_end_was_neither_sent_nor_dropped(protocol: str, receiver: Receiver) -> None:
    finished: list[Event] = []
    with receiver() as (address, received):
        with exporting(keys(protocol, address, otlp_interval_seconds=3_600.0), SOON_S) as one:
            one.events.on_sent = finished.extend
            received.until(received.points)
            calls, received.delay_s = received.calls, 2 * PATIENCE_S
            one.events.add(event())
            until(lambda: received.calls > calls)
        assert one._thread  # noqa: SLF001 - nothing else shows when it has ended
        one._thread.join(PATIENCE_S)  # noqa: SLF001
    assert (finished, one.counts.queued) == ([], 1)
    assert counted(one.counts, "gosonde_otlp_dropped_total", signal=LOGS) == 0


@both
def test_nobody_waits_for_a_slow_receiver_and_what_is_too_much_is_counted(protocol: str, receiver: Receiver) -> None:
    with receiver() as (address, received):
        received.delay_s = 2 * PATIENCE_S
        with exporting(keys(protocol, address), SOON_S) as one:
            until(lambda: received.calls)
            for number in range(MAX_EVENTS + 3):
                one.events.add(event(number))
            assert counted(one.counts, "gosonde_otlp_dropped_total", signal=LOGS, reason=Reason.QUEUE) == 3
            assert counted(one.counts, "gosonde_otlp_queued") == MAX_EVENTS
            until(lambda: counted(one.counts, "gosonde_otlp_failures_total", reason=Reason.TIMEOUT))


def test_a_file_that_cannot_be_used_is_counted_and_events_wait(tmp_path: Path) -> None:
    with grpc_receiver() as (address, received):
        lost = keys(GRPC, address, otlp_headers=str(tmp_path / "none"))
        with exporting(lost) as one:
            one.events.add(event())
            until(lambda: counted(one.counts, "gosonde_otlp_failures_total", signal=LOGS, reason=Reason.CONFIGURATION))
            until(lambda: counted(one.counts, "gosonde_otlp_dropped_total", reason=Reason.CONFIGURATION))
            assert counted(one.counts, "gosonde_otlp_queued") == 1
    assert received.calls == 0


@both
def test_a_request_that_cannot_be_encoded_is_counted_and_ends_no_export(protocol: str, receiver: Receiver) -> None:
    broken: Any = CounterMetricFamily("gosonde_agent_lost", "", labels=("host", "counter"))
    broken.add_metric(("web-1", "events_full"), "many")
    families = [[broken], []]
    with receiver() as (address, received):
        one = Exporting(lambda: Figures(families.pop(0) if families else [], (APP,)), "gosonde-agent", "here")
        one.apply(keys(protocol, address))
        try:
            received.until(received.points)
        finally:
            one.close()
    assert counted(one.counts, "gosonde_otlp_failures_total", reason=Reason.INTERNAL) == 1


def test_figures_that_cannot_be_put_together_do_not_end_the_exports() -> None:
    failures = iter([OSError("no room")])

    def figures() -> Figures:
        for error in failures:
            raise error
        return Figures((), (APP,))

    with grpc_receiver() as (address, received):
        one = Exporting(figures, "gosonde-agent", "here")
        one.apply(keys(GRPC, address))
        try:
            assert received.until(received.points)
        finally:
            one.close()
    assert counted(one.counts, "gosonde_otlp_failures_total", reason=Reason.INTERNAL) == 1


def test_nothing_is_sent_any_more_once_there_is_no_receiver() -> None:
    with grpc_receiver() as (address, received), exporting(keys(GRPC, address)) as one:
        received.until(received.points)
        one.apply(OtlpKeys())
        until(lambda: one._sender is None)  # noqa: SLF001 - nothing else shows that the thread has seen it
        calls = received.calls
        time.sleep(2.5)
        assert received.calls == calls


@pytest.mark.parametrize("service", ["gosonde_agent.service", "gosonde_collector.service"])
def test_a_service_without_a_receiver_imports_nothing_of_opentelemetry(service: str) -> None:
    names = "{name.partition('.')[0] for name in sys.modules} & {'opentelemetry', 'requests', 'grpc'}"
    program = f"import sys, {service}; print({names})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "{'grpc'}\n"
