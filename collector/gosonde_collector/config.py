"""The collector's configuration: one frozen value, checked when it is created. docs/config.md describes each key."""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from gosonde_common import addresses, misspelt, places
from gosonde_common.errors import UnsupportedError, UsageError
from gosonde_common.otlp.keys import OtlpKeys
from gosonde_common.values.labels import DEFAULT_KEYS, check_keys

from gosonde_collector.model.http_url import HttpUrl, parsed
from gosonde_collector.store.clickhouse.address import parse as parse_store

#: A configuration file larger than this is a mistake.
MAX_FILE_BYTES: Final = 1 << 20
PYROSCOPE, PARCA = "pyroscope", "parca"
PROFILE_APIS: Final = (PYROSCOPE, PARCA)
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
#: The name of a header.
HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
#: Keys that take effect on SIGHUP; every other one needs a restart.
RELOADABLE: Final = frozenset(
    {
        "retention_hours",
        "keep_minutes_days",
        "keep_hours_days",
        "retention_mb",
        "min_free_mb",
        "analysis_interval_seconds",
        "snapshots_on_suspicion",
        "finding_snapshot_seconds",
        "alerts_to",
        "webhook_to",
        "webhook_template",
        "webhook_secret",
        "webhook_token",
        "webhook_per_minute",
        "outward_ca",
        "public_url",
        "profiles_to",
        "profiles_api",
        "profiles_seconds",
        "log_level",
        *OtlpKeys.__dataclass_fields__,
    }
)


@dataclass(frozen=True, slots=True)
class CollectorConfig(OtlpKeys):
    """What the operator asks of the collector; OtlpKeys has the keys about OTLP.

    Attributes:
        listen: The address of every gRPC service: "HOST:PORT" or "unix:PATH".
        data: Folder that holds the store, if that is the embedded one.
        store: "clickhouse://HOST:PORT/DATABASE" for a store in ClickHouse; "" for the embedded one.
        store_user: Its user; "" for ClickHouse's default.
        store_password_file: File whose first line is the user's password; "" for none.
        store_tls: Speak TLS with ClickHouse.
        store_tls_ca: PEM file with the authorities of ClickHouse's certificate; "" for the system's.
        query_listen: Another address, for queries with a token and without a client certificate; "" for none.
        http: HOST:PORT of metrics, health and readiness; "" for none.
        web: HOST:PORT of the web page; "" for none.
        web_user_header: The header in which an identity proxy on this machine names who asks; "" for none.
        web_admins: Names that have the role admin then, with commas between them; all others may read.
        insecure: Allow plain text, and queries without a token, on an address that others can reach.
        tls_cert: PEM file with the collector's certificate; "" for plain text.
        tls_key: PEM file with its key.
        tls_client_ca: PEM file with the authorities of agents' certificates; "" lets agents in without one.
        tls_revoked: File with the fingerprints of revoked certificates; "" for none.
        tokens: File with the digests and roles of tokens; "" lets everyone ask.
        max_agents: How many agents may be connected, 1 to 100,000.
        max_connections_per_peer: How many connections an address may have, 1 to 100,000, with four calls each.
        retention_hours: How long details are kept, 1 to 87,600.
        keep_minutes_days: Up to which age totals are kept as they were at the end of each minute, 0 to 36,500.
        keep_hours_days: The same of each hour; beyond, only the newest is kept.
        retention_mb: How large the store may become in MiB, 64 to 10,000,000; beyond, the oldest details go.
        min_free_mb: Room in MiB that the store leaves on its disk, 1 to 1,000,000: below, nothing is acknowledged.
        analysis_interval_seconds: Least time between two analyses, 0.5 to 3,600.
        snapshots_on_suspicion: Ask the agent for a snapshot of a process when a site of it starts to grow.
        labels: Keys of pprof labels whose values are stored; of others only how many goroutines have them.
        finding_snapshot_seconds: How often to ask for one of a process with open findings, 30 to 86,400; 0 for never.
        alerts_to: URLs of Alertmanagers that get the findings.
        webhook_to: URL of a server that is sent a document for each finding; "" for none.
        webhook_template: File with a template of that document; "" for all that is known.
        webhook_secret: File with the secret that signs it; "" for no signature.
        webhook_token: File with a token that is sent with it; "" for none.
        webhook_per_minute: How often it is sent one, 1 to 6,000.
        outward_ca: PEM file with the authorities of certificates of all these; "" for the system's.
        profiles_to: URL of a server of profiles that gets each goroutine snapshot; "" for none.
        profiles_api: What it is: one of PROFILE_APIS.
        profiles_seconds: How often to ask for a snapshot of each process for it, 60 to 86,400; 0 for never.
        public_url: Where people reach the web page; "" for no links to it.
        log_level: One of LOG_LEVELS.

    Raises:
        UsageError: A value has the wrong type or is out of range. The message starts with the key.
    """

    listen: str = "127.0.0.1:9317"
    data: Path = Path("/var/lib/gosonde-collector")
    store: str = ""
    store_user: str = ""
    store_password_file: str = ""
    store_tls: bool = False
    store_tls_ca: str = ""
    query_listen: str = ""
    http: str = ""
    web: str = ""
    web_user_header: str = ""
    web_admins: str = ""
    insecure: bool = False
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    tls_revoked: str = ""
    tokens: str = ""
    max_agents: float = 2000.0
    max_connections_per_peer: float = 256.0
    retention_hours: float = 24.0
    keep_minutes_days: float = 30.0
    keep_hours_days: float = 365.0
    retention_mb: float = 8192.0
    min_free_mb: float = 64.0
    analysis_interval_seconds: float = 2.0
    snapshots_on_suspicion: bool = True
    finding_snapshot_seconds: float = 120.0
    labels: tuple[str, ...] = DEFAULT_KEYS
    alerts_to: tuple[str, ...] = ()
    webhook_to: str = ""
    webhook_template: str = ""
    webhook_secret: str = ""
    webhook_token: str = ""
    webhook_per_minute: float = 60.0
    outward_ca: str = ""
    public_url: str = ""
    profiles_to: str = ""
    profiles_api: str = PYROSCOPE
    profiles_seconds: float = 0.0
    log_level: str = "info"

    @property
    def min_free_bytes(self) -> int:
        """`min_free_mb` in bytes."""
        return int(self.min_free_mb * (1 << 20))

    def __post_init__(self) -> None:
        """Checks every value."""
        for address in filter(None, (self.listen, self.query_listen)):
            self._check_listen(address)
        if self.http and not (self.insecure or is_local(self.http, "http")):
            raise UsageError(
                f"http: {self.http} can be reached from other machines, and has neither encryption nor a password; "
                f"name a port of 127.0.0.1, or write insecure = true into the configuration file"
            )
        self._check_web()
        self._check_store()
        if bool(self.tls_cert) != bool(self.tls_key):
            raise UsageError("tls_cert: needs tls_key, and tls_key needs tls_cert; give both or none")
        if self.tls_client_ca and not self.tls_cert:
            raise UsageError("tls_client_ca: clients' certificates need TLS; give tls_cert and tls_key too")
        _check_range("max_agents", self.max_agents, 1, 100_000)
        _check_range("max_connections_per_peer", self.max_connections_per_peer, 1, 100_000)
        _check_range("retention_mb", self.retention_mb, 64, 10_000_000)
        _check_range("min_free_mb", self.min_free_mb, 1, 1_000_000)
        _check_range("retention_hours", self.retention_hours, 1, 87_600)
        _check_range("keep_minutes_days", self.keep_minutes_days, 0, 36_500)
        _check_range("keep_hours_days", self.keep_hours_days, 0, 36_500)
        _check_range("analysis_interval_seconds", self.analysis_interval_seconds, 0.5, 3_600)
        if self.finding_snapshot_seconds:
            _check_range("finding_snapshot_seconds", self.finding_snapshot_seconds, 30, 86_400)
        check_keys(self.labels)
        self.check_otlp(insecure=self.insecure)
        self._check_outward()
        if self.log_level not in LOG_LEVELS:
            raise UsageError(f"log_level: {self.log_level!r} is not one of {', '.join(LOG_LEVELS)}")

    def _check_listen(self, address: str) -> None:
        key = "listen" if address == self.listen else "query_listen"
        local = is_local(address, key)
        if local or self.insecure:
            return
        missing = [name for name in ("tls_cert", "tls_client_ca", "tokens") if not getattr(self, name)]
        if missing:
            raise UsageError(
                f"{key}: other machines can reach {address}, so encryption and authentication are required: give "
                f"{', '.join(missing)}, listen on 127.0.0.1 or unix:PATH, or write insecure = true into the "
                f"configuration file"
            )

    def _check_store(self) -> None:
        if not self.store:
            given = [
                name
                for name in ("store_user", "store_password_file", "store_tls", "store_tls_ca")
                if getattr(self, name)
            ]
            if given:
                raise UsageError(f"{given[0]}: is of a store in ClickHouse; give store too")
            return
        try:
            parse_store(self.store)
        except UsageError as error:
            raise UsageError(f"store: {error}") from error
        if self.store_tls_ca and not self.store_tls:
            raise UsageError("store_tls_ca: is of TLS; write store_tls = true too")

    def _check_web(self) -> None:
        local = not self.web or is_local(self.web, "web")
        if self.web.startswith("unix:"):
            raise UsageError(f"web: {self.web} is no address for a browser; name HOST:PORT")
        if self.web_user_header and not HEADER.fullmatch(self.web_user_header):
            raise UsageError(f"web_user_header: {self.web_user_header!r} is no name of a header")
        if self.web_user_header and not local:
            raise UsageError(
                f"web_user_header: who reaches {self.web} from another machine could call itself anything; let the "
                f"proxy run on this machine, and web listen on 127.0.0.1"
            )
        if self.web_admins and not self.web_user_header:
            raise UsageError("web_admins: names come from a proxy; give web_user_header too")
        missing = [name for name in ("tls_cert", "tokens") if not getattr(self, name)]
        if missing and not local and not self.insecure:
            raise UsageError(
                f"web: {self.web} can be reached from other machines, and what travels there would not be encrypted "
                f"and authenticated without {', '.join(missing)}; give these, name a port of 127.0.0.1, or write "
                f"insecure = true into the configuration file"
            )

    def _check_outward(self) -> None:
        _check_range("webhook_per_minute", self.webhook_per_minute, 1, 6_000)
        for key, urls in (("alerts_to", self.alerts_to), ("public_url", filter(None, (self.public_url,)))):
            for url in urls:
                _check_base(key, parsed(url, key))
        if len(set(self.alerts_to)) < len(self.alerts_to):
            raise UsageError("alerts_to: has the same URL twice")
        self._check_profiles()
        for key in ("webhook_template", "webhook_secret", "webhook_token"):
            if getattr(self, key) and not self.webhook_to:
                raise UsageError(f"{key}: is for a webhook; give webhook_to too")
        if not self.webhook_to:
            return
        to = parsed(self.webhook_to, "webhook_to")
        if self.webhook_token and not (to.is_encrypted or to.is_local or self.insecure):
            raise UsageError(
                f"webhook_token: {to.place} is another machine, and everyone on the way could read the token; name "
                f"https:, or write insecure = true into the configuration file"
            )

    def _check_profiles(self) -> None:
        if self.profiles_to:
            _check_base("profiles_to", parsed(self.profiles_to, "profiles_to"))
        if self.profiles_api not in PROFILE_APIS:
            raise UsageError(f"profiles_api: {self.profiles_api!r} is not one of {', '.join(PROFILE_APIS)}")
        if self.profiles_seconds:
            _check_range("profiles_seconds", self.profiles_seconds, 60, 86_400)
            if not self.profiles_to:
                raise UsageError("profiles_seconds: is for a server of profiles; give profiles_to too")

    def merged(self, flags: Mapping[str, object]) -> "CollectorConfig":
        """This configuration with the flags that were given; None counts as not given. Raises as the constructor."""
        return replace(self, **_typed({key: value for key, value in flags.items() if value is not None}))


def by_hand() -> CollectorConfig:
    """What a collector does that has no file: it keeps its store in a folder of its user."""
    defaults = CollectorConfig()
    return replace(defaults, data=places.state(defaults.data))


def load(path: Path, flags: Mapping[str, object]) -> CollectorConfig:
    """Reads a TOML file whose keys are CollectorConfig's fields; flags that are not None win over it.

    Raises:
        UsageError: The file is missing, is not TOML, has an unknown key, or a key has a value that is not allowed.
        UnsupportedError: The file may not be read by this user.
    """
    try:
        given = {key: value for key, value in flags.items() if value is not None}
        return CollectorConfig(**_typed({**_read(path), **given}))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def reloaded(current: CollectorConfig, fresh: CollectorConfig) -> tuple[CollectorConfig, tuple[str, ...]]:
    """What SIGHUP makes of `current`: the reloadable keys of `fresh`, and the other keys, which need a restart."""
    changed = {field.name for field in fields(current) if getattr(current, field.name) != getattr(fresh, field.name)}
    taken = {key: getattr(fresh, key) for key in changed & RELOADABLE}
    return replace(current, **taken), tuple(sorted(changed - RELOADABLE))


def is_local(address: str, key: str) -> bool:
    """Whether only this machine reaches the address of a key. Raises UsageError when it is no address."""
    if address.startswith("unix:") and not Path(address.removeprefix("unix:")).is_absolute():
        raise UsageError(f"{key}: {address!r} needs an absolute path after unix:")
    try:
        return addresses.is_local(address)
    except UsageError as error:
        raise UsageError(f"{key}: {error}") from error


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except PermissionError as error:
        raise UnsupportedError(f"{path}: not permitted to read it; run as its owner or change its mode") from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}; give another file with --config") from error
    if len(content) > MAX_FILE_BYTES:
        raise UsageError(f"is larger than {MAX_FILE_BYTES} bytes")
    try:
        return tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"is not TOML: {error}") from error


def _typed(values: Mapping[str, object]) -> dict[str, Any]:
    own_first = sorted(fields(CollectorConfig), key=lambda field: field.name in OtlpKeys.__dataclass_fields__)
    known = {field.name: field.type for field in own_first}
    typed = {}
    for key, value in values.items():
        if key not in known:
            raise UsageError(f"{key}: no such key; {misspelt.advice(key, known)}")
        typed[key] = _converted(key, value, known[key])
    return typed


def _converted(key: str, value: object, kind: Any) -> object:  # noqa: ANN401 - one of the types of the fields
    if kind is Path and isinstance(value, str | Path) and str(value):
        return Path(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in {str, bool} and type(value) is kind:
        return value
    if kind == tuple[str, ...] and isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(value)
    expected = {Path: "a path", float: "a number", str: "a string", bool: "true or false"}.get(
        kind, "a list of strings"
    )
    raise UsageError(f"{key}: {value!r} is not {expected}")


def _check_base(key: str, url: HttpUrl) -> None:
    if "?" in url.target:
        raise UsageError(f"{key}: has a part behind ?, and paths are put behind it")


def _check_range(key: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise UsageError(f"{key}: {value:g} is not between {least:g} and {most:g}")
