"""Tables are as wide as the terminal, and say what they have no room for."""

import pytest
from gosonde_cli import rendering
from gosonde_cli.tables.columns import Column, Kind
from gosonde_cli.tables.table import Row, Table, print_table

COLUMNS = (
    Column("LIVE"),
    Column("FUNCTION", Kind.FUNCTION),
    Column("AT", Kind.PATH),
    Column("CREATED", rank=2),
    Column("HOST", Kind.TEXT, 1, "host"),
)
LONG = "github.com/acme/shop/internal/server.(*Server).handle.func1"
AT = "/home/build/src/github.com/acme/shop/internal/server/payment.go:18"


def lines(capsys: pytest.CaptureFixture[str], table: Table, *, wide: bool = False) -> list[str]:
    print_table(table, wide=wide)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def table(*hosts: str) -> Table:
    return Table(COLUMNS, [Row((rendering.About(1_234_567), LONG, AT, 9, host)) for host in hosts], "There is nothing.")


def test_without_a_terminal_a_table_has_80_columns_and_paths_lose_their_beginning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    header, row, shared = lines(capsys, table("web-1"))
    assert header.split() == ["LIVE", "FUNCTION", "AT", "CREATED"]
    assert row.split() == ["~1,234,567", "…/server.(*Server).handle.func1", "…/server/payment.go:18", "9"]
    assert len(row) <= 80
    assert shared == "in all rows: host web-1"


def test_hosts_have_a_column_where_there_are_several(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    found = lines(capsys, table("web-1", "web-2"))
    assert "HOST" in found[0].split()
    assert found[2].endswith("web-2")


def test_columns_that_find_no_room_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    found = lines(capsys, table("web-1", "web-2"))
    assert found[0].split() == ["LIVE", "FUNCTION", "AT", "HOST"]
    assert found[-1] == "columns left out: CREATED (--wide shows all)"


def test_wide_shows_everything_whole(capsys: pytest.CaptureFixture[str]) -> None:
    _, row = lines(capsys, table("web-1"), wide=True)
    assert row.split() == ["~1,234,567", LONG, AT, "9", "web-1"]


def test_a_table_without_rows_says_so_and_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys, Table(COLUMNS, [], "There is nothing.", gaps=["And nobody looked."])) == [
        "There is nothing.",
        "And nobody looked.",
    ]


def test_what_is_not_known_stands_below_the_rows_too(capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys, Table((Column("N"),), [Row((1,))], "", ["A note."], gaps=["A gap."], before=["Above."]))
    assert found == ["Above.", "N", "1", "A gap.", "A note."]


def test_rows_beyond_the_limit_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys, Table((Column("N"),), [Row((1,))], "", left_out=2))
    assert found[-1] == "and 2 more rows (--limit)"


def test_text_is_never_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    assert "[bold]no[/]" in lines(capsys, Table((Column("FILE"),), [Row(("[bold]no[/]",))], ""))[1]


def test_an_optional_column_is_there_where_a_row_has_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (Column("N"), Column("POD", optional=True), Column("NAMESPACE", shared="namespace", optional=True))
    assert lines(capsys, Table(columns, [Row((1, "", "")), Row((2, "", ""))], "")) == ["N", "1", "2"]
    found = lines(capsys, Table(columns, [Row((1, "", "shop")), Row((2, "web-0", "shop"))], ""))
    assert (found[0].split(), found[-1]) == (["N", "POD"], "in all rows: namespace shop")
