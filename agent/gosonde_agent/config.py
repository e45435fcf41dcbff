"""The agent's configuration: one frozen value, checked when it is created. docs/config.md describes each key."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gosonde_common import addresses, misspelt, places
from gosonde_common.errors import UnsupportedError, UsageError
from gosonde_common.otlp.keys import OtlpKeys
from gosonde_common.values.goroutines import MAX_STACKS
from gosonde_common.values.labels import DEFAULT_KEYS, check_keys

from gosonde_agent.discovery import kubelet_place
from gosonde_agent.discovery.selection import NAMES, Selection, parse_rules
from gosonde_agent.host.own_budget import MEBIBYTE, OwnBudget
from gosonde_agent.model import budget
from gosonde_agent.snapshots import pprof_allowed

#: A configuration file larger than this is a mistake.
MAX_FILE_BYTES = 1 << 20
#: sockaddr_un.sun_path holds 108 bytes, the last of which is 0; one is for the dot of `local_socket.inner_path`.
MAX_SOCKET_PATH_BYTES = 106
#: More goroutines than any process has.
MOST_STACKS = 100_000_000
#: Largest pid that Linux hands out (PID_MAX_LIMIT).
MAX_PID = 1 << 22
#: A name of DNS, and what people call hosts besides.
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")

LOG_LEVELS = ("debug", "info", "warning", "error")

#: Keys that take effect on SIGHUP; every other one needs a restart.
RELOADABLE = frozenset(
    {
        "exe",
        "pid",
        "allow",
        "deny",
        "max_target_overhead",
        "target_overhead",
        "max_agent_cpu",
        "max_agent_memory_mb",
        "log_level",
        *OtlpKeys.__dataclass_fields__,
    }
)


@dataclass(frozen=True, slots=True)
class AgentConfig(OtlpKeys):
    """What the operator asks of the agent; OtlpKeys has the keys about OTLP.

    Attributes:
        collector: Where to send, "HOST:PORT" or "unix:PATH", in order of preference; none means local queries only.
        insecure: Allow plain text to collectors on other machines.
        tls_ca: PEM file with the authorities of the collectors' certificates; "" sends plain text.
        tls_cert: PEM file with this host's certificate; "" for none.
        tls_key: PEM file with its key.
        listen: The query service's address, "unix:PATH".
        http: HOST:PORT of metrics, health and readiness; "" for none.
        host: The name that the agent reports for this host; "" for the name that the host gives itself.
        helper: Where the helper waits that has the privileges, "unix:PATH"; "" starts one with the agent's own.
        state: Folder that holds what outlives a run.
        interval_seconds: Time between two observations, 0.1 to 3600.
        exe: Globs over the absolute path of the executable; none means every Go process.
        pid: Processes to watch besides those that `exe` names; when only `pid` is given, nothing else is watched.
        redact_paths: Report executables and source files without their folders.
        labels: Keys of pprof labels whose values may leave the host; of others only the number of goroutines may.
        allow: Only processes that one of these rules matches are watched: "KIND:GLOB" with a kind of selection.FACTS or
            "exe"; none allows all.
        cri: The container runtime that is asked for the names of containers, "unix:PATH"; "" asks none.
        kubelet: The kubelet that is asked instead, "https://HOST:PORT", or "http://HOST:PORT" of this host; "" is none.
        kubelet_token: A file with the token of a service account that may get nodes/pods or nodes/proxy.
        kubelet_ca: A file with the authorities that the kubelet's certificate may come from.
        deny: No process that one of these rules matches is watched.
        max_target_overhead: What probes may cost a target, in percent of its own CPU time, 0.01 to 100, or "off".
        target_overhead: Other limits for executables that match, "GLOB=PERCENT" or "GLOB=off"; the first match counts.
        pprof: Executables that may be asked for their own profiles, "GLOB=http://127.0.0.1:PORT/debug/pprof" or
            "GLOB=unix:PATH"; the first match counts.
        max_stacks: Of more goroutines a snapshot has the stacks of about so many, chosen by chance; 0 for all.
        ptrace_snapshots: Stop a process for a moment before a snapshot of its memory, so that what runs has a stack.
        park: Estimate parks by wait reason, from short windows. Parking is hot: the probe cannot stay.
        reconcile_seconds: Least time between two readings of a process's memory, 1 to 86400; a large process is read
            more rarely, so that reading takes one percent of a CPU at most, and so is one that rests. 0 reads it only
            when it is found.
        max_probed_files: How many executables may have probes at the same time, 8 to 65536, those of one user other
            than root an eighth of it; the least used give theirs up, as far as no process runs them.
        spool_mb: Largest size of what waits for a collector on disk, in MiB, 1 to 65536.
        spool_hours: How long it may wait, 0.1 to 8760.
        max_agent_cpu: What the agent itself takes of one core in the long run, in percent, 0.1 to 100: past it memory
            is read more rarely, and observations are further apart.
        max_agent_memory_mb: Resident memory from which on the agent releases what it can, in MiB, 64 to 65536.
        log_level: One of LOG_LEVELS.

    Raises:
        UsageError: A value has the wrong type or is out of range. The message starts with the key.
    """

    collector: tuple[str, ...] = ()
    insecure: bool = False
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    listen: str = "unix:/run/gosonde/agent.sock"
    http: str = ""
    host: str = ""
    helper: str = ""
    state: Path = Path("/var/lib/gosonde-agent")
    interval_seconds: float = 1.0
    exe: tuple[str, ...] = ()
    pid: tuple[int, ...] = ()
    redact_paths: bool = False
    labels: tuple[str, ...] = DEFAULT_KEYS
    cri: str = ""
    kubelet: str = ""
    kubelet_token: str = ""
    kubelet_ca: str = ""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    max_target_overhead: float | str = 3.0
    target_overhead: tuple[str, ...] = ()
    pprof: tuple[str, ...] = ()
    max_stacks: float = MAX_STACKS
    ptrace_snapshots: bool = False
    park: bool = False
    reconcile_seconds: float = 30.0
    max_probed_files: float = 512
    spool_mb: float = 64.0
    spool_hours: float = 24.0
    max_agent_cpu: float = 2.0
    max_agent_memory_mb: float = 160.0
    log_level: str = "info"

    def __post_init__(self) -> None:
        """Checks every value."""
        for address in self.collector:
            _check_collector(address)
            self._check_secret(address)
        if bool(self.tls_cert) != bool(self.tls_key):
            raise UsageError("tls_cert: needs tls_key, and tls_key needs tls_cert; give both or none")
        if self.tls_cert and not self.tls_ca:
            raise UsageError("tls_ca: missing; a certificate is sent only to a collector that is authenticated as well")
        _check_unix("listen", self.listen)
        _check_unix("helper", self.helper or self.listen)
        self._check_http()
        _check_host(self.host)
        _check_number("interval_seconds", self.interval_seconds, 0.1, 3600)
        if self.reconcile_seconds != 0:
            _check_number("reconcile_seconds", self.reconcile_seconds, 1, 86_400)
        _check_number("max_probed_files", self.max_probed_files, 8, 65_536)
        _check_number("spool_mb", self.spool_mb, 1, 65_536)
        _check_number("spool_hours", self.spool_hours, 0.1, 8_760)
        _check_unix("cri", self.cri or self.listen)
        self._check_kubelet()
        self._check_rules()
        budget.parse(self.max_target_overhead, self.target_overhead)
        _check_number("max_agent_cpu", self.max_agent_cpu, 0.1, 100)
        _check_number("max_agent_memory_mb", self.max_agent_memory_mb, 64, 65_536)
        if self.pprof and self.redact_paths:
            raise UsageError("pprof: profiles contain whole paths, which redact_paths does not allow to be sent")
        check_keys(self.labels)
        self.check_otlp(insecure=self.insecure)
        _check_number("max_stacks", self.max_stacks, 0, MOST_STACKS)
        for text in self.pprof:
            pprof_allowed.place(text)
        for glob in self.exe:
            _check_glob(glob)
        for pid in self.pid:
            _check_pid(pid)
        if self.log_level not in LOG_LEVELS:
            raise UsageError(f"log_level: {self.log_level!r} is not one of {', '.join(LOG_LEVELS)}")

    def _check_rules(self) -> None:
        rules = (*parse_rules("allow", self.allow), *parse_rules("deny", self.deny))
        about_names = [rule for rule in rules if rule.kind in NAMES]
        if about_names and not self.asks_for_names:
            raise UsageError(
                f"cri: missing; a rule of the kind {about_names[0].kind} needs the names of containers, such as "
                f'cri = "unix:/run/containerd/containerd.sock"'
            )

    def _check_kubelet(self) -> None:
        if self.kubelet and self.cri:
            raise UsageError("kubelet: cri is given as well; one of them is asked for names")
        if self.kubelet:
            kubelet_place.place(self.kubelet, self.kubelet_token, self.kubelet_ca)
        elif self.kubelet_token or self.kubelet_ca:
            raise UsageError("kubelet: missing; kubelet_token and kubelet_ca are for it alone")

    @property
    def asks_for_names(self) -> bool:
        """Whether somebody is asked for the names of containers."""
        return bool(self.cri or self.kubelet)

    def _check_secret(self, address: str) -> None:
        if not (self.tls_ca or self.insecure or addresses.is_local(address)):
            raise UsageError(
                f"collector: what is sent to {address} would be neither encrypted nor authenticated; give tls_ca, or "
                f"write insecure = true into the configuration file"
            )

    def _check_http(self) -> None:
        if self.http and not (self.insecure or addresses.is_local(self.http)):
            raise UsageError(
                f"http: {self.http} can be reached from other machines, and has neither encryption nor a password; "
                f"name a port of 127.0.0.1, or write insecure = true into the configuration file"
            )

    @property
    def own_budget(self) -> OwnBudget:
        """What the agent itself may take."""
        return OwnBudget(self.max_agent_cpu / 100, int(self.max_agent_memory_mb * MEBIBYTE))

    @property
    def selection(self) -> Selection:
        """Which processes are watched."""
        rules = parse_rules("allow", self.allow), parse_rules("deny", self.deny)
        return Selection(self.exe, frozenset(self.pid), *rules)

    @property
    def target_budget(self) -> budget.Budget:
        """What probes may cost each target."""
        return budget.parse(self.max_target_overhead, self.target_overhead)

    @property
    def tls(self) -> addresses.ClientTls | None:
        """What connections to collectors need; None for plain text."""
        if not self.tls_ca:
            return None
        own = (Path(self.tls_cert), Path(self.tls_key)) if self.tls_cert else (None, None)
        return addresses.ClientTls(Path(self.tls_ca), *own)

    def merged(self, flags: Mapping[str, object]) -> "AgentConfig":
        """This configuration with the flags that were given; None and empty collections count as not given.

        Raises:
            UsageError: As the constructor, and for a name that is no key.
        """
        return replace(self, **_typed(_given(flags)))


def by_hand() -> AgentConfig:
    """What an agent does that has no file: it feeds the collector of this host, and keeps to folders of its user."""
    defaults = AgentConfig()
    return replace(
        defaults,
        collector=(addresses.COLLECTOR_ADDRESS,),
        listen=places.agent_address(),
        state=places.state(defaults.state),
    )


def load(path: Path, flags: Mapping[str, object] = MappingProxyType({})) -> AgentConfig:
    """Reads a TOML file whose keys are AgentConfig's fields; flags win over it, if they are given as for `merged`.

    Raises:
        UsageError: The file is missing, is not TOML, has an unknown key, or a key has a value that is not allowed.
        UnsupportedError: The file may not be read by this user.
    """
    try:
        return AgentConfig(**_typed(_read(path) | _given(flags)))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _given(flags: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in flags.items() if value not in (None, (), [])}


def reloaded(current: AgentConfig, fresh: AgentConfig) -> tuple[AgentConfig, tuple[str, ...]]:
    """What SIGHUP makes of `current`: the reloadable keys of `fresh`, and the other keys, which need a restart."""
    changed = {field.name for field in fields(current) if getattr(current, field.name) != getattr(fresh, field.name)}
    taken = {key: getattr(fresh, key) for key in changed & RELOADABLE}
    return replace(current, **taken), tuple(sorted(changed - RELOADABLE))


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except PermissionError as error:
        raise UnsupportedError(f"{path}: not permitted to read it; run as root or change its mode") from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}; give another file with --config") from error
    if len(content) > MAX_FILE_BYTES:
        raise UsageError(f"larger than {MAX_FILE_BYTES} bytes: not a configuration file")
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"not valid TOML: {error}") from error


def _typed(values: Mapping[str, object]) -> dict[str, Any]:
    """The values with their keys known and their types right; lists become tuples."""
    if unknown := sorted(values.keys() - _CONVERT.keys()):
        raise UsageError(f"{unknown[0]}: no such key; {misspelt.advice(unknown[0], _CONVERT)}")
    return {key: _CONVERT[key](key, value) for key, value in values.items()}


def _strings(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{key}: {value!r} is not a list of strings")
    return tuple(value)


def _integers(key: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not all(type(item) is int for item in value):
        raise UsageError(f"{key}: {value!r} is not a list of integers")
    return tuple(value)


def _string(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{key}: {value!r} is not a string")
    return value


def _path(key: str, value: object) -> Path:
    text = str(value) if isinstance(value, Path) else _string(key, value)
    if not text or "\0" in text:
        raise UsageError(f"{key}: {text!r} is not a path")
    return Path(text)


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{key}: {value!r} is not a number")
    return value


def _percent(key: str, value: object) -> float | str:
    return value if value == budget.OFF and isinstance(value, str) else _number(key, value)


def _boolean(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{key}: {value!r} is not true or false")
    return value


#: Every key, and what makes a value of its type of what was given.
_CONVERT: Mapping[str, Callable[[str, object], object]] = {
    "collector": _strings,
    "insecure": _boolean,
    "tls_ca": _string,
    "tls_cert": _string,
    "tls_key": _string,
    "listen": _string,
    "http": _string,
    "host": _string,
    "helper": _string,
    "state": _path,
    "interval_seconds": _number,
    "exe": _strings,
    "pid": _integers,
    "redact_paths": _boolean,
    "labels": _strings,
    "allow": _strings,
    "cri": _string,
    "kubelet": _string,
    "kubelet_token": _string,
    "kubelet_ca": _string,
    "deny": _strings,
    "max_target_overhead": _percent,
    "target_overhead": _strings,
    "pprof": _strings,
    "max_stacks": _number,
    "ptrace_snapshots": _boolean,
    "park": _boolean,
    "spool_mb": _number,
    "reconcile_seconds": _number,
    "max_probed_files": _number,
    "spool_hours": _number,
    "max_agent_cpu": _number,
    "max_agent_memory_mb": _number,
    "log_level": _string,
    "otlp": _string,
    "otlp_protocol": _string,
    "otlp_ca": _string,
    "otlp_cert": _string,
    "otlp_key": _string,
    "otlp_headers": _string,
    "otlp_attributes": _strings,
    "otlp_service_name": _strings,
    "otlp_compression": _string,
    "otlp_interval_seconds": _number,
}


def _check_collector(address: str) -> None:
    if address.startswith("unix:"):
        _check_unix("collector", address)
        return
    match = addresses.HOST_PORT.fullmatch(address)
    if not match or not 1 <= int(match["port"]) <= 65535:
        raise UsageError(f"collector: {address!r} is not HOST:PORT (port 1 to 65535, IPv6 in brackets) or unix:PATH")


def _check_unix(key: str, address: str) -> None:
    path = address.removeprefix("unix:")
    if not address.startswith("unix:") or not path or "\0" in path:
        raise UsageError(f"{key}: {address!r} is not unix:PATH")
    if len(path.encode(errors="surrogateescape")) > MAX_SOCKET_PATH_BYTES:
        raise UsageError(f"{key}: the socket's path is longer than {MAX_SOCKET_PATH_BYTES} bytes: {path}")


def _check_host(host: str) -> None:
    if host and not HOST.fullmatch(host):
        raise UsageError(f"host: {host!r} is no name of a host: at most 253 letters, digits, '-', '_' and '.'")


def _check_number(key: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise UsageError(f"{key}: {value} is not allowed; give a number from {least:g} to {most:g}")


def _check_glob(glob: str) -> None:
    if not glob.startswith(("/", "*", "?", "[")):
        raise UsageError(f"exe: {glob!r} can never match: executables have absolute paths; write '*/{glob}'")


def _check_pid(pid: int) -> None:
    if not 1 <= pid <= MAX_PID:
        raise UsageError(f"pid: {pid} is not a process id (1 to {MAX_PID})")
