"""Both numbers of a witness as people read them."""

from gosonde_collector.analysis.numbers import HEAP_BYTES, LEAKED, LIVE, STACK_BYTES, Numbers
from gosonde_collector.analysis.witnesses import Witness
from gosonde_collector.web.witness_rows import rows

MIB = 1 << 20


def words(numbers: Numbers | None) -> tuple[str, str]:
    (row,) = rows([Witness("memory", "agrees", "", numbers=numbers)])
    return row.shown, row.counted


def test_one_number_or_a_range_stands_on_each_side() -> None:
    assert words(Numbers(LIVE, 1, 1_498, 1_498, 1_470, 1_530)) == ("1,498", "1,470 to 1,530")
    assert words(Numbers(LEAKED, 1, 28, 30, 600, 600)) == ("28 to 30 that leak", "600")


def test_a_side_without_a_number_is_empty() -> None:
    assert words(None) == ("", "")
    assert words(Numbers(LIVE, 1, counted_low=0, counted_high=0)) == ("", "0")


def test_bytes_are_said_with_what_they_are_of() -> None:
    expected = ("8.00 MiB more of stacks", "at least 0.50 MiB more of stacks")
    assert words(Numbers(STACK_BYTES, 1, 8 * MIB, 8 * MIB, MIB // 2)) == expected
    assert words(Numbers(HEAP_BYTES, 1, -MIB, -MIB)) == ("-1.00 MiB more of heap", "")
