"""Names of containers come from the kubelet's list of pods, whatever is wrong with that."""

import http.server
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.discovery import kubelet_answer
from gosonde_agent.discovery.kubelet import REST_SECONDS, SETTLED_SECONDS, Kubelet
from gosonde_agent.discovery.kubelet_place import place
from gosonde_agent.discovery.kubelet_pods import MOST_PODS, pods_of
from gosonde_agent.model.container_names import ContainerNames
from gosonde_common.errors import InvalidInputError, UnavailableError, UsageError

from tests.kubelet_server import PODS, RECORDED, TOKEN, Answer, KubeletServer, kubelet, pods

SHOP = "checkout-7d9f6c5b4d-x2k9p"
Handler = http.server.BaseHTTPRequestHandler


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy host."""
    monkeypatch.setattr(kubelet_answer, "ANSWER_SECONDS", 60.0)


class Clock:
    """Stands until it is moved."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def of(server: KubeletServer, clock: Clock | None = None) -> Kubelet:
    keys = server.keys
    return Kubelet(place(keys["kubelet"], keys["kubelet_token"], keys["kubelet_ca"]), clock or Clock())


def test_one_question_names_every_container_of_the_node(tmp_path: Path) -> None:
    with kubelet(tmp_path) as server:
        asked = of(server)
        assert asked.names("1" * 64) == ContainerNames("shop", SHOP, "server", "checkout")
        assert asked.kept("2" * 64) == ContainerNames("shop", SHOP, "istio-proxy", "checkout")
        assert asked.names("5" * 64) == ContainerNames("bank", "ledger-0", "app", "ledger")
        assert server.asked == ["/pods"]


def test_each_kind_of_container_and_of_owner_is_known() -> None:
    found = pods_of(PODS).names
    assert [found[digit * 64].container for digit in "1234"] == ["server", "istio-proxy", "migrate", "debugger"]
    workloads = {digit: found[digit * 64].workload for digit in "56789"}
    assert workloads == {"5": "ledger", "6": "night-28934", "7": "node-exporter", "8": "", "9": ""}
    assert len(found) == 9, "a container that was not started yet has no id"


def test_what_a_real_kubelet_has_answered_names_each_container_of_its_pods() -> None:
    found = pods_of(RECORDED.read_bytes())
    assert (found.passed_over, found.fault) == (0, "")
    assert sorted((one.namespace, one.container, one.workload) for one in found.names.values()) == [
        ("gosonde", "agent", "gosonde-agent"),
        ("gosonde", "collector", "gosonde-collector"),
        ("shop", "server", "checkout"),
    ]
    assert all(one.pod.startswith(f"{one.workload}-") for one in found.names.values())


def test_a_container_that_is_not_listed_yet_is_asked_for_again_and_is_none_of_kubernetes_in_the_end(
    tmp_path: Path,
) -> None:
    clock, other = Clock(), "f" * 64
    with kubelet(tmp_path) as server:
        asked = of(server, clock)
        with pytest.raises(UnavailableError, match="lists no container ffffffffffff yet"):
            asked.names(other)
        with pytest.raises(UnavailableError, match="was asked a moment ago"):
            asked.names(other)
        assert len(server.asked) == 1
        clock.seconds += SETTLED_SECONDS
        assert asked.names(other) is None
        clock.seconds += REST_SECONDS
        assert asked.names(other) is None
        assert len(server.asked) == 2


def test_a_container_that_is_listed_late_has_its_names(tmp_path: Path) -> None:
    clock = Clock()
    with kubelet(tmp_path, pods(json.dumps({"kind": "PodList", "items": None}).encode())) as server:
        asked = of(server, clock)
        with pytest.raises(UnavailableError):
            asked.names("1" * 64)
        server.answer = pods()
        clock.seconds += REST_SECONDS
        found = asked.names("1" * 64)
        assert found
        assert found.pod == SHOP


def drip(handler: Handler) -> None:
    """Never comes to an end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        handler.wfile.flush()
        threading.Event().wait(0.05)


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(1 << 16))


def cut_off(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(PODS)))
    handler.end_headers()
    handler.wfile.write(PODS[:1_000])


def elsewhere(handler: Handler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "https://127.0.0.1:1/pods")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def no_http(handler: Handler) -> None:
    handler.wfile.write(b"hello\n")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (pods(b"Forbidden", 403), "status 403: the token's account may not get nodes/pods"),
        (pods(b"", 500), "status 500"),
        (elsewhere, "status 302"),
        (no_http, "hello"),
        (cut_off, "bytes too early"),
        (endless, "the answer has more than 16,777,216 bytes"),
        (pods(b"\xff{"), "the answer is no JSON"),
        (pods(b"[" * 100_000), "the answer is no JSON"),
        (pods(b"[]"), "the answer is no PodList"),
        (pods(b'{"kind": "NodeList", "items": []}'), "the answer is no PodList"),
        (pods(b'{"kind": "PodList", "items": {"a": 1}}'), "items is no list"),
        (pods(b'{"kind": "PodList", "items": [' + b"0," * MOST_PODS + b"0]}"), "more than 2,000 pods"),
    ],
)
def test_what_is_no_list_of_pods_is_no_answer_and_says_why(tmp_path: Path, answer: Answer, reason: str) -> None:
    with kubelet(tmp_path, answer) as server:
        with pytest.raises(UnavailableError) as raised:
            of(server).names("1" * 64)
        assert reason in str(raised.value)


def test_an_answer_that_takes_too_long_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubelet_answer, "ANSWER_SECONDS", 1.0)
    with kubelet(tmp_path, drip) as server, pytest.raises(UnavailableError, match="no whole answer within 1 s"):
        of(server).names("1" * 64)


def test_who_is_somebody_else_is_sent_no_token(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with kubelet(tmp_path / "other") as other, kubelet(tmp_path, name="worker-1") as server:
        with pytest.raises(UnavailableError, match="IP address mismatch"):
            of(server).names("1" * 64)
        server.ca = other.ca
        with pytest.raises(UnavailableError, match="certificate verify failed"):
            of(server).names("1" * 64)
        assert server.asked == []


@pytest.mark.parametrize(
    ("token", "reason"),
    [("another", "status 401: the token is not known"), ("two\nlines", "is no token"), (None, "No such file")],
)
def test_a_token_that_is_wrong_or_missing_is_said(tmp_path: Path, token: str | None, reason: str) -> None:
    with kubelet(tmp_path) as server:
        if token is None:
            server.token.unlink()
        else:
            server.token.write_text(token)
        with pytest.raises(UnavailableError, match=reason):
            of(server).names("1" * 64)


def test_a_token_and_a_certificate_that_were_replaced_are_read_again(tmp_path: Path) -> None:
    clock = Clock()
    with kubelet(tmp_path) as server:
        server.token.write_text("old")
        known_ca = server.ca.read_bytes()
        server.ca.write_text("none yet")
        asked = of(server, clock)
        with pytest.raises(UnavailableError, match="cannot be read as certificates"):
            asked.names("1" * 64)
        server.ca.write_bytes(known_ca)
        server.token.write_text(TOKEN)
        clock.seconds += REST_SECONDS
        assert asked.names("1" * 64)


def test_nobody_at_the_address_is_said(tmp_path: Path) -> None:
    with kubelet(tmp_path) as server:
        asked = of(server)
    with pytest.raises(UnavailableError, match="refused"):
        asked.names("1" * 64)


Pod = dict[str, Any]


def wrong_name(pod: Pod) -> None:
    pod["metadata"]["name"] = "web\x1b[31m"


def wrong_namespace(pod: Pod) -> None:
    del pod["metadata"]["namespace"]


def wrong_id(pod: Pod) -> None:
    pod["status"]["containerStatuses"][0]["containerID"] = "containerd://../../etc"


def wrong_list(pod: Pod) -> None:
    pod["status"]["containerStatuses"] = {"server": 1}


def wrong_status(pod: Pod) -> None:
    pod["status"] = "Running"


def wrong_owner(pod: Pod) -> None:
    pod["metadata"]["ownerReferences"][0]["name"] = 7


@pytest.mark.parametrize("spoil", [wrong_name, wrong_namespace, wrong_id, wrong_list, wrong_status, wrong_owner])
def test_a_pod_that_makes_no_sense_costs_its_own_names_alone(spoil: Any) -> None:
    document = json.loads(PODS)
    spoil(document["items"][0])
    found = pods_of(json.dumps(document).encode())
    assert (found.passed_over, found.fault[:10]) == (1, "items[0]: ")
    assert set(found.names) == {digit * 64 for digit in "56789"}
    assert len(found.fault) < 200


def test_a_workload_counts_only_where_the_pods_name_begins_with_it() -> None:
    document = json.loads(PODS)
    document["items"][1]["metadata"]["ownerReferences"][0]["name"] = "checkout"
    assert pods_of(json.dumps(document).encode()).names["5" * 64].workload == ""


def test_an_answer_of_random_bytes_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        pods_of(bytes(range(256)))


@pytest.mark.parametrize(
    ("url", "token", "ca", "reason"),
    [
        ("https://10.0.0.7", "t", "c", "is not https://HOST:PORT"),
        ("https://10.0.0.7:99999", "t", "c", "is not https://HOST:PORT"),
        ("unix:/run/kubelet.sock", "t", "c", "is not https://HOST:PORT"),
        ("https://10.0.0.7:10250", "t", "", "https needs kubelet_token and kubelet_ca"),
        ("http://10.0.0.7:10255", "", "", "over http only this host is asked"),
        ("http://127.0.0.1:10255", "t", "", "over http only this host is asked"),
    ],
)
def test_a_place_at_which_nobody_could_be_trusted_is_wrong_usage(url: str, token: str, ca: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        place(url, token, ca)
