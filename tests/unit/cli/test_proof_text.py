"""What a search found is said in lines: of the process first, then of each statement."""

from gosonde.proofs import HeldBy, Proof, Searched, SearchedSite
from gosonde_cli.proof_text import search_lines
from gosonde_common.values.reachability import SearchOutcome

PROOF = Proof(0, 5, 12, 9, 0, 0, 1 << 20, 0, (HeldBy(("main.known", "channel of int"), 3),))


def test_each_statement_stands_below_the_process_with_who_holds_the_rest() -> None:
    outcome = SearchOutcome(0, 5, "", 12, 9, 1)
    lines = list(search_lines(Searched(outcome, 2_000_000_000, (SearchedSite("main.ask", "/src/main.go", 7, PROOF),))))
    assert lines[0] == (
        "of 12 goroutines that wait, 9 can never be woken (proved), 1 very probably not, 2 may be "
        "(5 scans of memory, the last 2 s ago)"
    )
    assert lines[1] == "main.ask  /src/main.go:7"
    assert lines[-1].strip() == "3 held by main.known → channel of int"


def test_a_search_that_decides_nothing_says_why_and_no_counts() -> None:
    outcome = SearchOutcome(0, 0, "the process has too many goroutines", 0, 0, 0)
    assert list(search_lines(Searched(outcome, 1, ()))) == ["not decided: the process has too many goroutines"]


def test_a_name_of_a_hostile_program_cannot_steer_the_terminal() -> None:
    outcome = SearchOutcome(0, 1, "\x1b[2J", 1, 0, 0)
    site = SearchedSite("main.\x1b[31m", "", 0, PROOF)
    assert "\x1b" not in "".join(search_lines(Searched(outcome, 1, (site,))))
