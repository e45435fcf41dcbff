"""A muted finding is listed with its mute, to programs and to people."""

from gosonde.row_wire import finding_of
from gosonde_cli.finding_text import block
from gosonde_collector.query.query_wire import finding_message
from gosonde_collector.store.records import Mute
from rich.console import Console

from tests.unit.collector.web.conftest import finding

MUTE = Mute("", "shop", "main.leak", "known: ticket 7", "ann", 10, 86_400_000_000_000)


def test_a_client_is_told_what_mutes_a_finding() -> None:
    muted = finding_of(finding_message(finding(), (0, False), "", MUTE)).muted
    assert muted
    assert (muted.reason, muted.by, muted.covers) == ("known: ticket 7", "ann", "function")
    assert (muted.since_unix_nano, muted.until_unix_nano) == (10, 86_400_000_000_000)
    assert finding_of(finding_message(finding(), (0, False), "")).muted is None


def test_people_read_that_a_finding_is_muted() -> None:
    out = Console(width=80)
    with out.capture() as captured:
        for part in block(finding_of(finding_message(finding(), (0, False), "", MUTE)), 80):
            out.print(part)
    assert "! muted by ann until 1970-01-02" in captured.get()
    assert "known: ticket 7" in captured.get()
