"""The configuration is refused at start, key by key, or it is right."""

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from gosonde_collector.config import CollectorConfig, load, reloaded
from gosonde_common.errors import UsageError

NO_FLAGS: dict[str, object] = {}


def written(folder: Path, text: str) -> Path:
    path = folder / "collector.toml"
    path.write_text(text)
    return path


def test_without_a_file_it_listens_on_loopback_only() -> None:
    assert CollectorConfig().listen == "127.0.0.1:9317"


def test_every_key_is_read(tmp_path: Path) -> None:
    text = (
        'listen = "0.0.0.0:1"\ndata = "/d"\nquery_listen = "0.0.0.0:2"\nhttp = "127.0.0.1:3"\nweb = "127.0.0.1:4"\n'
        'web_user_header = "X-User"\nweb_admins = "ann"\ninsecure = true\n'
        'tls_cert = "/c"\ntls_key = "/k"\ntls_client_ca = "/a"\ntls_revoked = "/r"\ntokens = "/t"\nmax_agents = 9\n'
        "max_connections_per_peer = 8\n"
        'store = "clickhouse://h:1/d"\nstore_user = "me"\nstore_password_file = "/p"\n'
        'store_tls = true\nstore_tls_ca = "/s"\n'
        "retention_hours = 48\nkeep_minutes_days = 7\nkeep_hours_days = 90\nretention_mb = 100\nmin_free_mb = 7\n"
        "analysis_interval_seconds = 5\n"
        "snapshots_on_suspicion = false\nfinding_snapshot_seconds = 60\nlabels = []\n"
        'alerts_to = ["http://a"]\nwebhook_to = "https://w/x"\nwebhook_template = "/b"\nwebhook_secret = "/s"\n'
        'webhook_token = "/o"\nwebhook_per_minute = 6\noutward_ca = "/u"\npublic_url = "https://p"\n'
        'profiles_to = "http://f"\nprofiles_api = "parca"\nprofiles_seconds = 600\n'
        'log_level = "debug"\n'
        'otlp = "https://otel.example:4318/a"\notlp_protocol = "http/protobuf"\notlp_ca = "/o/ca"\n'
        'otlp_cert = "/o/c"\notlp_key = "/o/k"\notlp_headers = "/o/h"\notlp_attributes = ["a=b"]\n'
        'otlp_service_name = ["unit"]\notlp_compression = "none"\notlp_interval_seconds = 10\n'
    )
    config = load(written(tmp_path, text), NO_FLAGS)
    assert config == CollectorConfig(
        listen="0.0.0.0:1",
        data=Path("/d"),
        store="clickhouse://h:1/d",
        store_user="me",
        store_password_file="/p",  # noqa: S106 - a path
        store_tls=True,
        store_tls_ca="/s",
        query_listen="0.0.0.0:2",
        http="127.0.0.1:3",
        web="127.0.0.1:4",
        web_user_header="X-User",
        web_admins="ann",
        insecure=True,
        tls_cert="/c",
        tls_key="/k",
        tls_client_ca="/a",
        tls_revoked="/r",
        tokens="/t",
        max_agents=9,
        max_connections_per_peer=8,
        retention_hours=48,
        keep_minutes_days=7,
        keep_hours_days=90,
        retention_mb=100,
        min_free_mb=7,
        analysis_interval_seconds=5,
        snapshots_on_suspicion=False,
        finding_snapshot_seconds=60,
        labels=(),
        alerts_to=("http://a",),
        webhook_to="https://w/x",
        webhook_template="/b",
        webhook_secret="/s",  # noqa: S106
        webhook_token="/o",  # noqa: S106
        webhook_per_minute=6,
        outward_ca="/u",
        public_url="https://p",
        profiles_to="http://f",
        profiles_api="parca",
        profiles_seconds=600,
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
    assert tomllib.loads(text).keys() == {field.name for field in fields(CollectorConfig)}


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, 'listen = "127.0.0.1:1"\ndata = "/d"\n')
    config = load(path, {"listen": "unix:/run/x.sock", "data": None})
    assert (config.listen, config.data) == ("unix:/run/x.sock", Path("/d"))


@pytest.mark.parametrize("listen", ["0.0.0.0:9317", "[::]:9317", "10.0.0.1:9317", "collector.example:9317"])
def test_plain_text_for_other_machines_needs_insecure(tmp_path: Path, listen: str) -> None:
    with pytest.raises(UsageError, match="insecure = true"):
        CollectorConfig(listen=listen)
    assert load(written(tmp_path, "insecure = true\n"), {"listen": listen}).listen == listen


@pytest.mark.parametrize("missing", ["tls_cert", "tls_client_ca", "tokens"])
def test_other_machines_are_let_in_only_with_certificates_and_tokens(missing: str) -> None:
    whole = {"tls_cert": "/c", "tls_key": "/k", "tls_client_ca": "/a", "tokens": "/t"}
    assert CollectorConfig(listen="0.0.0.0:1", query_listen="0.0.0.0:2", **whole).tokens == "/t"  # type: ignore[arg-type]
    left = {key: value for key, value in whole.items() if key != missing and (missing, key) != ("tls_cert", "tls_key")}
    with pytest.raises(UsageError, match=r"are required: give|TLS"):
        CollectorConfig(listen="0.0.0.0:1", **left)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        CollectorConfig(query_listen="0.0.0.0:1", **left)  # type: ignore[arg-type]


@pytest.mark.parametrize("listen", ["127.0.0.1:9317", "127.1.2.3:1", "[::1]:9317", "localhost:0", "unix:/run/x.sock"])
def test_this_machine_needs_no_insecure(listen: str) -> None:
    assert CollectorConfig(listen=listen).listen == listen


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense = 1\n", "nonsense: no such key; known are listen, data"),
        ("listen = 9317\n", "listen: 9317 is not a string"),
        ('listen = "9317"\n', "neither HOST:PORT nor unix:PATH"),
        ('listen = "127.0.0.1:99999"\n', "neither HOST:PORT nor unix:PATH"),
        ('listen = "unix:x.sock"\n', "absolute path"),
        ('insecure = "yes"\n', "insecure: 'yes' is not true or false"),
        ("retention_hours = 0\n", "retention_hours: 0 is not between 1 and 87600"),
        ("keep_minutes_days = -1\n", "keep_minutes_days: -1 is not between 0 and 36500"),
        ("keep_hours_days = 40000\n", "keep_hours_days: 40000 is not between 0 and 36500"),
        ("retention_hours = true\n", "retention_hours: True is not a number"),
        ("retention_hours = nan\n", "retention_hours"),
        ("analysis_interval_seconds = 0.1\n", "analysis_interval_seconds"),
        ('log_level = "loud"\n', "log_level"),
        ("listen = \n", "is not TOML"),
    ],
)
def test_a_wrong_key_is_refused_by_its_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as refusal:
        load(written(tmp_path, text), NO_FLAGS)
    assert words in str(refusal.value)
    assert "collector.toml" in str(refusal.value)


def test_metrics_are_plain_text_and_for_this_machine_alone_unless_the_file_allows_more() -> None:
    assert CollectorConfig(http="[::1]:9318").http == "[::1]:9318"
    assert CollectorConfig(http="0.0.0.0:9318", insecure=True).insecure
    with pytest.raises(UsageError, match=r"^http: 0\.0\.0\.0:9318 can be reached from other machines"):
        CollectorConfig(http="0.0.0.0:9318")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--config"):
        load(tmp_path / "none.toml", NO_FLAGS)


def test_a_reload_takes_what_may_change_and_names_what_may_not() -> None:
    fresh = CollectorConfig(listen="127.0.0.1:1", retention_hours=5, log_level="debug")
    config, ignored = reloaded(CollectorConfig(), fresh)
    assert config == CollectorConfig(retention_hours=5, log_level="debug")
    assert ignored == ("listen",)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"web": "0.0.0.0:9319"}, "web"),
        ({"web": "0.0.0.0:9319", "tokens": "/t"}, "web"),
        ({"web": "0.0.0.0:9319", "tls_cert": "/c", "tls_key": "/k"}, "web"),
        ({"web": "9319"}, "web"),
        ({"web": "unix:/run/web.sock"}, "web"),
        ({"web": "127.0.0.1:1", "web_user_header": "X User"}, "web_user_header"),
        ({"web": "0.0.0.0:1", "insecure": True, "web_user_header": "X-User"}, "web_user_header"),
        ({"web": "127.0.0.1:1", "web_admins": "ann"}, "web_admins"),
    ],
)
def test_a_web_page_that_others_could_read_or_speak_for_is_refused(values: dict[str, Any], key: str) -> None:
    with pytest.raises(UsageError, match=f"^{key}: "):
        CollectorConfig(**values)


def test_a_web_page_for_other_machines_needs_encryption_and_tokens() -> None:
    secure = CollectorConfig(web="0.0.0.0:9319", tls_cert="/c", tls_key="/k", tokens="/t")
    assert secure.web == "0.0.0.0:9319"
    assert CollectorConfig(web="0.0.0.0:9319", insecure=True).insecure


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"alerts_to": ("am:9093",)}, "alerts_to: is no URL of a web server"),
        ({"alerts_to": ("http://am", "http://am")}, "alerts_to: has the same URL twice"),
        ({"alerts_to": ("http://am/?x=1",)}, "alerts_to: has a part behind ?"),
        ({"public_url": "gosonde.example"}, "public_url: is no URL of a web server"),
        ({"webhook_to": "http://ann:pw@hook"}, "webhook_to: has a name or a password"),
        ({"webhook_secret": "/s"}, "webhook_secret: is for a webhook; give webhook_to too"),
        ({"webhook_to": "http://hook", "webhook_token": "/t"}, "webhook_token: http://hook:80 is another machine"),
        ({"profiles_to": "pyroscope:4040"}, "profiles_to: is no URL of a web server"),
        ({"profiles_to": "http://p", "profiles_api": "jfr"}, "profiles_api: 'jfr' is not one of pyroscope, parca"),
        ({"profiles_to": "http://p", "profiles_seconds": 5}, "profiles_seconds: 5 is not between 60 and 86400"),
        ({"profiles_seconds": 60}, "profiles_seconds: is for a server of profiles; give profiles_to too"),
        ({"webhook_per_minute": 0.5}, "webhook_per_minute: 0.5 is not between 1 and 6000"),
    ],
)
def test_where_the_collector_sends_to_is_checked_at_the_start(keys: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError) as refused:
        CollectorConfig(**keys)
    assert str(refused.value).startswith(fault)


@pytest.mark.parametrize("keys", [{"webhook_to": "https://hook"}, {"webhook_to": "http://[::1]:1"}])
def test_a_token_is_sent_encrypted_or_to_this_machine(keys: dict[str, Any]) -> None:
    assert CollectorConfig(**keys, webhook_token="/t").webhook_to == keys["webhook_to"]  # noqa: S106
    assert CollectorConfig(webhook_to="http://hook", webhook_token="/t", insecure=True).insecure  # noqa: S106
