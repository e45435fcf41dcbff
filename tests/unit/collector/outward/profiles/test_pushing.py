"""Each goroutine snapshot that is stored reaches a server of profiles once, or a counter says why not."""

import asyncio
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import pytest
from gosonde_collector.evidence.model import LEAK, Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.values import ProcessKey
from gosonde_collector.outward.counts import Counts
from gosonde_collector.outward.profiles import parca, pushing
from gosonde_collector.outward.profiles.parca import Parca
from gosonde_collector.outward.profiles.pushing import ProfileServer, Pushing
from gosonde_collector.outward.profiles.pyroscope import Pyroscope
from gosonde_collector.store.protocol import Store
from gosonde_common.errors import UsageError
from gosonde_common.values.containers import Container
from gosonde_pb.pprof.v1 import profile_pb2
from prometheus_client import CollectorRegistry

from tests import profile_servers
from tests.agent_process import free_port
from tests.certificates import Authority
from tests.http_receiver import PATIENCE_S, Receiver, Reply
from tests.unit.collector.batches import KEY, START, batch, process

POD = Container(namespace="shop", pod="web-0", name="server", workload="web")
OTHER = ProcessKey("boot", 4712, 100, 0)
INNER, OUTER = Frame("main.leak.func1", "/src/main.go", 30), Frame("main.leak", "/src/main.go", 20)


class Pushes:
    """What is pushed of a store to a server; what lies in the store at the beginning is old."""

    def __init__(self, store: Store, server: ProfileServer) -> None:
        self.registry = CollectorRegistry()
        self.store = store
        self.of = {"kind": server.kind, "to": server.place}
        self.pushing = Pushing(server, store, Counts(self.registry))
        store.append([batch(1, processes=[process(container=POD), process(OTHER)])])

    def count(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"gosonde_collector_outward_{name}", {**self.of, **labels})

    def keep(self, *groups: GoroutineGroup, key: ProcessKey = KEY, form: str = "memory", after: int = 1) -> str:
        """A snapshot is stored."""
        return self.store.add_snapshot("web-1", key, START + after, GoroutineProfile(form, groups or (group(1),)))

    async def until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < end
            await self.pushing.round()
            await asyncio.sleep(0.05)


def group(count: int, state: str = "chan send", frames: Sequence[Frame] = (INNER, OUTER)) -> GoroutineGroup:
    return GoroutineGroup(count, tuple(frames), Frame("main.main", "/src/main.go", 5), state, 7, (count,))


def stacks(profile: profile_pb2.Profile) -> dict[tuple[str, ...], int]:
    """Goroutines by the names of their stacks, innermost first; no sample has labels."""
    text, functions = profile.string_table, {one.id: one for one in profile.function}
    places = {one.id: text[functions[one.line[0].function_id].name] for one in profile.location}
    assert not any(sample.label for sample in profile.sample)
    return {tuple(places[number] for number in sample.location_id): sample.value[0] for sample in profile.sample}


async def test_pyroscope_gets_the_stacks_and_the_labels_of_the_process(store: Store) -> None:
    with Receiver() as receiver:
        pushes = Pushes(store, Pyroscope(f"{receiver.url}", None))
        await pushes.pushing.round()
        snapshot = pushes.keep(group(3), group(4, "select"), group(2, frames=[OUTER]))
        await pushes.pushing.round()
        await pushes.pushing.round()
        (request,) = receiver.requests
    came = profile_servers.pyroscope(request)
    assert came.labels == {
        "__name__": "goroutine",
        "service_name": "app",
        "host": "web-1",
        "pid": "4711",
        "go_version": "go1.24.11",
        "namespace": "shop",
        "pod": "web-0",
        "container": "server",
        "workload": "web",
    }
    assert came.id == str(uuid.UUID(snapshot))
    assert came.profile.time_nanos == START + 1
    assert stacks(came.profile) == {("main.leak.func1", "main.leak"): 7, ("main.leak",): 2}
    assert (pushes.count("sent_total"), pushes.count("waiting")) == (1, 0)


async def test_parca_gets_the_same_over_grpc(store: Store) -> None:
    with profile_servers.parca() as (came, url):
        pushes = Pushes(store, Parca(url, ""))
        await pushes.pushing.round()
        pushes.keep(group(3), group(300, frames=[Frame("main.f" * 100, "f.go", 1)]))
        await pushes.pushing.round()
        (one,) = came.pushed
    assert one.labels["__name__"] == "goroutine"
    assert one.labels["pod"] == "web-0"
    assert stacks(one.profile) == {("main.leak.func1", "main.leak"): 3, ("main.f" * 100,): 300}


async def test_what_was_there_before_the_start_is_not_pushed(store: Store) -> None:
    with Receiver() as receiver:
        pushes = Pushes(store, Pyroscope(receiver.url, None))
        pushes.keep()
        await pushes.pushing.round()
        await pushes.pushing.round()
        assert receiver.requests == []


async def test_of_two_sources_memory_is_pushed_and_no_other_kind_of_profile(store: Store) -> None:
    with Receiver() as receiver:
        pushes = Pushes(store, Pyroscope(receiver.url, None))
        await pushes.pushing.round()
        pushes.keep(group(5), form="proto", after=2)
        pushes.keep(group(6), after=1)
        store.add_snapshot("web-1", OTHER, START, GoroutineProfile("proto", (group(9),), kind=LEAK))
        await pushes.pushing.round()
        counted = [sum(stacks(profile_servers.pyroscope(r).profile).values()) for r in receiver.requests]
    assert counted == [6]


async def test_while_a_server_is_down_the_newest_of_each_process_waits(store: Store) -> None:
    port = free_port()
    pushes = Pushes(store, Pyroscope(f"http://127.0.0.1:{port}", None))
    await pushes.pushing.round()
    pushes.keep(group(1), after=1)
    pushes.keep(group(10), key=OTHER)
    await pushes.until(lambda: (pushes.count("failures_total", reason="unreachable") or 0) >= 1)
    pushes.keep(group(2), after=2)
    await pushes.pushing.round()
    assert (pushes.count("waiting"), pushes.count("dropped_total", reason="replaced")) == (2, 1)
    with Receiver(port=port) as receiver:
        await pushes.until(lambda: pushes.count("sent_total") == 2)
        sums = {sum(stacks(profile_servers.pyroscope(r).profile).values()) for r in receiver.requests}
    assert sums == {2, 10}


async def test_what_is_refused_is_dropped_and_what_is_too_much_is_tried_again(store: Store) -> None:
    with Receiver() as receiver:
        receiver.replies += [Reply(413), Reply(429)]
        pushes = Pushes(store, Pyroscope(receiver.url, None))
        await pushes.pushing.round()
        pushes.keep()
        pushes.keep(key=OTHER)
        await pushes.until(lambda: pushes.count("sent_total") == 1)
    assert pushes.count("dropped_total", reason="refused") == 1
    assert pushes.count("failures_total", reason="busy") == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "refused"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "busy"),
        (grpc.StatusCode.PERMISSION_DENIED, "status"),
    ],
)
async def test_a_status_of_grpc_has_a_reason(store: Store, status: grpc.StatusCode, reason: str) -> None:
    with profile_servers.parca() as (came, url):
        came.statuses.append(status)
        pushes = Pushes(store, Parca(url, ""))
        await pushes.pushing.round()
        pushes.keep()
        await pushes.pushing.round()
    assert pushes.count("failures_total", reason=reason) == 1


async def test_a_server_that_never_answers_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parca, "DEADLINE_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pushes = Pushes(store, Parca(f"http://127.0.0.1:{silent.getsockname()[1]}", ""))
        await pushes.pushing.round()
        pushes.keep()
        await pushes.pushing.round()
    assert pushes.count("failures_total", reason="timeout") == 1
    assert pushes.count("waiting") == 1


async def test_who_is_stopped_waits_for_no_server(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parca, "DEADLINE_S", 3_600.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE_S)
        pushes = Pushes(store, Parca(f"http://127.0.0.1:{silent.getsockname()[1]}", ""))
        await pushes.pushing.round()
        pushes.keep()
        running = asyncio.create_task(pushes.pushing.run())
        connection, _ = await asyncio.to_thread(silent.accept)
        with connection:
            running.cancel()
            done, _ = await asyncio.wait([running], timeout=PATIENCE_S)
            assert done == {running}


async def test_a_certificate_is_checked(store: Store, tmp_path: Path) -> None:
    ours, others = Authority(tmp_path), Authority(tmp_path, "others")
    certificate = ours.issue("collector")
    with profile_servers.parca(certificate) as (came, url), Receiver(certificate) as receiver:
        tls = ssl.create_default_context(cafile=ours.cert)
        for server, reason in (
            (Parca(url, str(others.cert)), "unreachable"),
            (Pyroscope(receiver.url, ssl.create_default_context(cafile=others.cert)), "tls"),
        ):
            pushes = Pushes(store, server)
            await pushes.pushing.round()
            pushes.keep()
            await pushes.pushing.round()
            assert pushes.count("failures_total", reason=reason) == 1
        for known in (Parca(url, str(ours.cert)), Pyroscope(receiver.url, tls)):
            pushes = Pushes(store, known)
            await pushes.pushing.round()
            pushes.keep()
            await pushes.pushing.round()
            assert pushes.count("sent_total") == 1
    assert (len(came.pushed), len(receiver.requests)) == (1, 1)


async def test_what_is_too_large_or_gone_is_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as receiver:
        pushes = Pushes(store, Pyroscope(receiver.url, None))
        await pushes.pushing.round()
        monkeypatch.setattr(pushing, "MOST_BYTES", 10)
        pushes.keep()
        await pushes.pushing.round()
        monkeypatch.setattr(store, "snapshot", lambda _id: None)
        pushes.keep(after=2)
        await pushes.pushing.round()
        assert receiver.requests == []
    assert [pushes.count("dropped_total", reason=why) for why in ("too_large", "expired")] == [1, 1]


@pytest.mark.parametrize("url", ["http://parca/prefix", "parca:7070"])
def test_an_address_that_grpc_cannot_have_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"^profiles_to: "):
        Parca(url, "")
