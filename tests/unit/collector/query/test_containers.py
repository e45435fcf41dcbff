"""The container of a finding reaches clients, people read it, and a store of an older collector has none."""

import json

from gosonde.row_wire import finding_of
from gosonde_cli.commands.findings import document
from gosonde_cli.finding_text import block
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.query.query_wire import finding_message
from gosonde_collector.store.records import FindingRecord
from gosonde_common.values.containers import NO_CONTAINER, Container
from rich.console import Console

from tests.unit.collector.web.conftest import finding

SHOP = Container("a" * 64, "", "shop", "checkout-7d9f6c5b4d-x2k9p", "server", "checkout")


def told(container: Container) -> str:
    """What people read of a finding of this container, in 80 columns."""
    out = Console(width=80)
    with out.capture() as captured:
        for part in block(finding_of(finding_message(finding(container=container), (0, False), "")), 80):
            out.print(part)
    return captured.get()


def test_a_client_is_told_the_container() -> None:
    message = finding_message(finding(container=SHOP), (0, False), "")
    assert finding_of(message).container == SHOP
    assert document(finding_of(message))["container"] == {
        "id": "a" * 64, "pod_uid": "", "namespace": "shop", "pod": SHOP.pod, "name": "server", "workload": "checkout",
    }  # fmt: skip
    assert finding_of(finding_message(finding(), (0, False), "")).container is None


def test_people_read_the_names_or_what_is_known_instead() -> None:
    assert "  pod shop/checkout-7d9f6c5b4d-x2k9p, container server, workload checkout\n" in told(SHOP)
    assert f"  container {'a' * 12}\n" in told(Container("a" * 64))
    assert "container" not in told(NO_CONTAINER)


def test_a_finding_keeps_its_container_in_the_store_and_older_ones_have_none() -> None:
    record = finding(container=SHOP).record(1)
    assert Finding.from_record(record).container == SHOP
    old = {name: value for name, value in json.loads(record.document).items() if name != "container"}
    assert Finding.from_record(FindingRecord(record.id, 1, json.dumps(old))).container == NO_CONTAINER
