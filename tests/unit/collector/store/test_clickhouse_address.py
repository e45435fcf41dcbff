"""An address of a store in ClickHouse is read as it is meant, or refused with what is wrong in it."""

import pytest
from gosonde_collector.config import CollectorConfig
from gosonde_collector.store.clickhouse.address import Address, parse
from gosonde_common.errors import UsageError


def test_an_address_names_a_server_and_a_database() -> None:
    assert parse("clickhouse://ch-1:9000/gosonde") == Address("ch-1", 9_000, "gosonde")
    assert parse("clickhouse://[fd00::1]:9440/_x1") == Address("fd00::1", 9_440, "_x1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://ch-1:8123/gosonde", "is not of the form clickhouse://HOST:PORT"),
        ("clickhouse://ch-1:9000", "is not of the form"),
        ("clickhouse://ch-1/gosonde", "'ch-1' is not HOST:PORT"),
        ("clickhouse://ch-1:0/gosonde", "'ch-1:0' is not HOST:PORT"),
        ("clickhouse://ch-1:70000/gosonde", "is not HOST:PORT"),
        ("clickhouse://:9000/gosonde", "':9000' is not HOST:PORT"),
        ("clickhouse://ch-1:9000,ch-2:9000/gosonde", "is more than one server"),
        ("clickhouse://ch-1:9000/", "'' is no name of a database"),
        ("clickhouse://ch-1:9000/a; DROP", "is no name of a database"),
        ("clickhouse://me:secret@ch-1:9000/gosonde", "give store_user and store_password_file"),
    ],
)
def test_what_is_no_address_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=r"^store: ") as refusal:
        CollectorConfig(store=text)
    assert words in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"store_user": "me"}, "store_user: is of a store in ClickHouse; give store too"),
        ({"store_tls": True}, "store_tls: is of"),
        ({"store": "clickhouse://h:1/d", "store_tls_ca": "/ca"}, "store_tls_ca: is of TLS; write store_tls = true too"),
    ],
)
def test_keys_that_need_another_are_refused_without_it(keys: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError) as refusal:
        CollectorConfig(**keys)  # type: ignore[arg-type]
    assert words in str(refusal.value)
