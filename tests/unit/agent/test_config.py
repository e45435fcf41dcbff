import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from gosonde_agent.config import (
    MAX_FILE_BYTES,
    RELOADABLE,
    AgentConfig,
    load,
    reloaded,
)
from gosonde_common.errors import UsageError

from tests.paths import ROOT

AGENT_KEYS = (ROOT / "docs" / "config.md").read_text().partition("## collector.toml")[0]

FULL = """
collector = ["collector.example:7171", "[::1]:7171", "unix:/run/collector.sock"]
insecure = true
tls_ca = "/etc/ca.pem"
tls_cert = "/etc/host.pem"
tls_key = "/etc/host.key"
listen = "unix:/tmp/agent.sock"
helper = "unix:/tmp/helper.sock"
http = "127.0.0.1:9318"
host = "node-7.prod"
state = "/tmp/state"
interval_seconds = 2
exe = ["/usr/bin/*", "*/server"]
pid = [1, 4711]
redact_paths = true
labels = ["endpoint", "tenant"]
max_stacks = 5000
cri = "unix:/run/cri.sock"
allow = ["unit:*.service"]
deny = ["user:root", "exe:/usr/*"]
max_target_overhead = 1.5
target_overhead = ["*/hot=0.5", "*/batch=off"]
pprof = []
ptrace_snapshots = true
park = true
reconcile_seconds = 60
max_probed_files = 64
spool_mb = 8
spool_hours = 48
max_agent_cpu = 1.5
max_agent_memory_mb = 200
log_level = "debug"
otlp = "https://otel.example:4318/a"
otlp_protocol = "http/protobuf"
otlp_ca = "/o/ca"
otlp_cert = "/o/c"
otlp_key = "/o/k"
otlp_headers = "/o/h"
otlp_attributes = ["a=b"]
otlp_service_name = ["unit"]
otlp_compression = "none"
otlp_interval_seconds = 10
"""
#: What cannot be given together with `cri`.
OTHER = """
kubelet = "https://10.0.0.7:10250"
kubelet_token = "/run/token"
kubelet_ca = "/etc/kubelet-ca.crt"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text)
    return path


def test_every_key_is_read(tmp_path: Path) -> None:
    assert load(written(tmp_path, FULL)) == AgentConfig(
        collector=("collector.example:7171", "[::1]:7171", "unix:/run/collector.sock"),
        insecure=True,
        tls_ca="/etc/ca.pem",
        tls_cert="/etc/host.pem",
        tls_key="/etc/host.key",
        listen="unix:/tmp/agent.sock",
        helper="unix:/tmp/helper.sock",
        http="127.0.0.1:9318",
        host="node-7.prod",
        state=Path("/tmp/state"),  # noqa: S108
        interval_seconds=2,
        exe=("/usr/bin/*", "*/server"),
        pid=(1, 4711),
        redact_paths=True,
        labels=("endpoint", "tenant"),
        max_stacks=5_000,
        cri="unix:/run/cri.sock",
        allow=("unit:*.service",),
        deny=("user:root", "exe:/usr/*"),
        max_target_overhead=1.5,
        target_overhead=("*/hot=0.5", "*/batch=off"),
        ptrace_snapshots=True,
        park=True,
        reconcile_seconds=60,
        max_probed_files=64,
        spool_mb=8,
        spool_hours=48,
        max_agent_cpu=1.5,
        max_agent_memory_mb=200,
        log_level="debug",
        otlp="https://otel.example:4318/a",
        otlp_protocol="http/protobuf",
        otlp_ca="/o/ca",
        otlp_cert="/o/c",
        otlp_key="/o/k",
        otlp_headers="/o/h",
        otlp_attributes=("a=b",),
        otlp_service_name=("unit",),
        otlp_compression="none",
        otlp_interval_seconds=10,
    )
    other = tomllib.loads(OTHER)
    assert tomllib.loads(FULL).keys() | other.keys() == {field.name for field in fields(AgentConfig)}
    assert load(written(tmp_path, OTHER)) == AgentConfig(**other)


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")) == AgentConfig()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("colector = []", "colector: no such key; did you mean collector?"),
        ('collector = "a:1"', "collector: 'a:1' is not a list of strings"),
        ("collector = [1]", "collector: [1] is not a list of strings"),
        ('collector = ["host"]', "collector: 'host' is not HOST:PORT"),
        ('collector = ["host:0"]', "collector: 'host:0' is not HOST:PORT"),
        ('collector = ["host:65536"]', "collector: 'host:65536' is not HOST:PORT"),
        ('collector = ["http://host:1"]', "is not HOST:PORT"),
        ('collector = ["::1:7171"]', "IPv6 in brackets"),
        ('collector = ["unix:"]', "collector: 'unix:' is not unix:PATH"),
        ('listen = "127.0.0.1:1"', "listen: '127.0.0.1:1' is not unix:PATH"),
        (f'listen = "unix:/{"x" * 107}"', "listen: the socket's path is longer than 106 bytes"),
        ("listen = 1", "listen: 1 is not a string"),
        ('helper = "/run/helper.sock"', "helper: '/run/helper.sock' is not unix:PATH"),
        ('state = ""', "state: '' is not a path"),
        ('allow = ["node:x"]', "allow: 'node:x' is not KIND:GLOB; the kinds are exe, unit, container, pod, user"),
        ('deny = ["namespace:shop"]', "cri: missing; a rule of the kind namespace needs the names of containers"),
        ('cri = "/run/cri.sock"', "cri: '/run/cri.sock' is not unix:PATH"),
        ('kubelet = "https://10.0.0.7:10250"', "kubelet: https needs kubelet_token and kubelet_ca"),
        ('kubelet_token = "/run/token"', "kubelet: missing; kubelet_token and kubelet_ca are for it alone"),
        ('cri = "unix:/a"\nkubelet = "http://127.0.0.1:10255"', "kubelet: cri is given as well"),
        ('deny = ["user:"]', "deny: 'user:' is not KIND:GLOB"),
        ("max_target_overhead = 0", "max_target_overhead: 0 is not allowed; give a number from 0.01 to 100 (percent)"),
        ('max_target_overhead = "on"', "max_target_overhead: 'on' is not a number"),
        ('target_overhead = ["*/app"]', "target_overhead: '*/app' is not \"GLOB=PERCENT\""),
        ('target_overhead = ["app=1"]', 'is not "GLOB=PERCENT" with a glob over an absolute path'),
        ('target_overhead = ["*/app=x"]', "target_overhead: x is not allowed"),
        ("interval_seconds = 0.09", "interval_seconds: 0.09 is not allowed; give a number from 0.1 to 3600"),
        ("interval_seconds = 3601", "interval_seconds: 3601 is not allowed"),
        ("interval_seconds = nan", "interval_seconds: nan is not allowed"),
        (f"interval_seconds = 1{'0' * 400}", "is not allowed"),
        ("interval_seconds = true", "interval_seconds: True is not a number"),
        ('exe = ["server"]', "exe: 'server' can never match: executables have absolute paths; write '*/server'"),
        ("pid = [0]", "pid: 0 is not a process id"),
        ("pid = [true]", "pid: [True] is not a list of integers"),
        ('host = "node 7"', "host: 'node 7' is no name of a host"),
        (f'host = "{"n" * 254}"', "is no name of a host: at most 253 letters"),
        ('http = "0.0.0.0:9318"', "http: 0.0.0.0:9318 can be reached from other machines"),
        ('pprof = ["/a=http://10.0.0.1:1"]', "pprof: 'http://10.0.0.1:1' is not on a loopback address"),
        ('labels = ["endpoint", ""]', "labels: '' has not 1 to 127 characters"),
        ("max_stacks = -1", "max_stacks: -1 is not allowed; give a number from 0 to"),
        ("labels = 7", "labels: 7 is not a list of strings"),
        ('redact_paths = true\npprof = ["/a=unix:/b"]', "pprof: profiles contain whole paths"),
        ("park = 1", "park: 1 is not true or false"),
        ('log_level = "loud"', "log_level: 'loud' is not one of debug, info, warning, error"),
        ("collector = [", "not valid TOML"),
        ("a = " + "[" * 100_000, "not valid TOML"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_the_file(tmp_path: Path, text: str, complaint: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load(path)
    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_a_folder_bytes_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    binary, huge = tmp_path / "binary", tmp_path / "huge"
    binary.write_bytes(b"\xff\xfe\x00")
    huge.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    for path in (tmp_path / "missing", tmp_path, binary, huge):
        with pytest.raises(UsageError, match=str(path)):
            load(path)


def test_flags_win_over_the_file_and_those_not_given_change_nothing(tmp_path: Path) -> None:
    config = load(written(tmp_path, FULL))
    merged = config.merged({"collector": ["other:1"], "listen": None, "exe": (), "pid": [], "state": tmp_path})
    assert merged.collector == ("other:1",)
    assert merged.state == tmp_path
    assert (merged.listen, merged.exe, merged.pid) == (config.listen, config.exe, config.pid)


def test_a_wrong_flag_is_refused() -> None:
    with pytest.raises(UsageError, match="pid: -1 is not a process id"):
        AgentConfig().merged({"pid": [-1]})


def test_a_reload_takes_what_may_change_and_names_what_needs_a_restart() -> None:
    current = AgentConfig()
    fresh = AgentConfig(exe=("/a",), log_level="debug", listen="unix:/b", collector=("localhost:1",))
    config, restart = reloaded(current, fresh)
    assert config == AgentConfig(exe=("/a",), log_level="debug")
    assert restart == ("collector", "listen")


def test_the_reference_says_of_every_key_what_a_reload_does() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| (\*reload\*)?", AGENT_KEYS, re.MULTILINE)
    assert {key for key, _ in rows} == {field.name for field in fields(AgentConfig)}
    assert {key for key, mark in rows if mark} == RELOADABLE


def test_the_first_glob_that_matches_sets_the_budget_of_a_target() -> None:
    limits = AgentConfig(target_overhead=("/srv/hot=1", "/srv/*=off")).target_budget
    assert limits.of("/srv/hot") == 0.01
    assert limits.of("/srv/other") == float("inf")
    assert limits.of("/usr/bin/other") == 0.03


def test_rules_by_name_may_rest_on_the_kubelet(tmp_path: Path) -> None:
    text = 'kubelet = "http://127.0.0.1:10255"\ndeny = ["namespace:shop"]'
    assert load(written(tmp_path, text)).asks_for_names
    assert not load(written(tmp_path, "")).asks_for_names
