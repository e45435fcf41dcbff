"""Long names end where they must, begin at a boundary where they can, and are never wider than their room."""

import pytest
from gosonde_cli.tables.shortening import OF_FUNCTIONS, OF_PATHS, cut, least, shortened
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

PATH = "/srv/src/github.com/acme/shop/payment.go:18"
FUNCTION = "github.com/acme/shop/server.(*Server).handle.func1"


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (len(PATH), PATH),
        (30, "…/acme/shop/payment.go:18"),
        (20, "…/shop/payment.go:18"),
        (19, "…/payment.go:18"),
        (9, "…nt.go:18"),
        (1, "…"),
        (0, ""),
    ],
)
def test_a_path_loses_whole_folders_from_the_left(width: int, text: str) -> None:
    assert shortened(PATH, width, OF_PATHS) == text


@pytest.mark.parametrize(
    ("name", "width", "text"),
    [
        (FUNCTION, 40, "…/shop/server.(*Server).handle.func1"),
        (FUNCTION, 25, "….(*Server).handle.func1"),
        (FUNCTION, 15, "….handle.func1"),
        ("shop.Map[...].func1", 18, "….Map[...].func1"),
        ("main.leak", 9, "main.leak"),
    ],
)
def test_a_function_loses_packages_then_types_and_never_half_of_its_brackets(name: str, width: int, text: str) -> None:
    assert shortened(name, width, OF_FUNCTIONS) == text


def test_the_least_room_is_that_of_the_last_name() -> None:
    assert least(PATH, OF_PATHS) == len("…/payment.go:18")
    assert least("main.go:1", OF_PATHS) == len("main.go:1")


def test_other_text_loses_its_end() -> None:
    assert cut("GC mark termination 2.5 ms", 10) == "GC mark t…"
    assert cut("short", 5) == "short"


@given(st.text(max_size=60), st.integers(0, 70), st.sampled_from([OF_PATHS, OF_FUNCTIONS]))
def test_nothing_is_wider_than_its_room(text: str, width: int, boundaries: object) -> None:
    assert cell_len(shortened(text, width, boundaries)) <= width  # type: ignore[arg-type]
    assert cell_len(cut(text, width)) <= width
