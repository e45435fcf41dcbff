"""What each key of the live view does."""

from gosonde_cli.rendering import Figure
from gosonde_cli.top.frame import frame
from gosonde_cli.top.keys import keys_of
from gosonde_cli.top.picture import Entry, Key, Picture
from gosonde_cli.top.view import LONGEST_FILTER, View


def entry(function: str, live: int, created: float, waits: str = "") -> Entry:
    rate = Figure(created, f"{created:g}")
    return Entry(Key("", 1, function, f"{function}.go:1"), "/srv/orders", live, rate, Figure(-1, "-"), waits)


PICTURE = Picture("p", entries=[entry("a.one", 5, 1.0, "select"), entry("b.two", 9, 0.0), entry("c.three", 7, 3.0)])


def pressed(keys: str, view: View | None = None) -> View:
    view = view or View()
    for key in keys_of(keys.encode()):
        view.press(key, PICTURE)
        frame(PICTURE, view, 80, 24)
    return view


def order(view: View) -> list[str]:
    return [entry.key.function for entry in view.entries(PICTURE)]


def test_keys_sort() -> None:
    assert order(View()) == ["b.two", "c.three", "a.one"]
    assert order(pressed("c")) == ["c.three", "a.one", "b.two"]
    assert order(pressed("f")) == ["a.one", "b.two", "c.three"]
    assert order(pressed("w"))[0] == "a.one"
    assert order(pressed("el")) == order(View())


def test_a_filter_is_typed_kept_by_enter_and_dropped_by_escape() -> None:
    view = pressed("/tqx\x7f\x7fwo\r")
    assert order(view) == ["b.two"]
    assert not pressed("q", pressed("/")).has_quit
    assert order(pressed("\x1b", view)) == order(View())
    assert order(pressed("/SELECT\r")) == ["a.one"]


def test_a_filter_has_an_end() -> None:
    assert len(pressed("/" + "x" * 1_000).filter) == LONGEST_FILTER


def test_arrows_move_and_enter_opens_and_closes_details() -> None:
    view = pressed("\x1b[B\x1bOB\r")
    assert (view.mode, view.selected) == ("details", PICTURE.entries[0].key)
    assert pressed("\r", view).mode == "list"
    assert pressed("\x1b[B\x1b[A\x1b[A").selected == PICTURE.entries[1].key
    assert pressed("\x1b[F").selected == PICTURE.entries[0].key
    assert pressed("\x1b[F\x1b[H").selected == PICTURE.entries[1].key


def test_the_selected_row_is_the_same_in_another_order() -> None:
    view = pressed("jf\r")
    assert view.selected is not None
    assert view.selected.function == "c.three"


def test_a_pause_keeps_the_picture_and_a_second_one_goes_on() -> None:
    view = pressed(" ")
    newer = Picture("newer")
    assert frame(newer, view, 80, 24)[0].text == "p"
    assert "PAUSED" in frame(newer, view, 80, 24)[-1].text
    assert frame(newer, pressed(" ", view), 80, 24)[0].text == "newer"


def test_help_opens_and_closes_and_q_ends() -> None:
    view = pressed("?")
    assert any("sort by live" in line.text for line in frame(PICTURE, view, 80, 24))
    assert pressed("?", view).mode == "list"
    assert pressed("?q", view).has_quit


def test_what_no_terminal_should_send_is_passed_over() -> None:
    assert keys_of(b"\x1b[99;99;99~q") == ["q"]
    assert keys_of(b"\x1b[200~\xff\x00\x01j") == ["j"]
    assert keys_of(b"\x1b") == ["escape"]
    assert keys_of(b"\x1b[") == []
    assert keys_of("é".encode()) == ["é"]
