import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from gosonde_cli.check.allowing import Allowed
from gosonde_cli.check.outcome import Checked, Outcome, outcome
from gosonde_cli.check.reports import as_junit, as_sarif, as_text
from gosonde_cli.suspects.verdict import Suspect, Unsettled, Verdict

SECOND = 1_000_000_000
LEAK = Suspect("main.ask", "/src/main.go", 12, 50, 5.0, 0.0, "channel-send", "Make room.", ("50 more",))
KNOWN = Suspect("main.poll", "/other/poll.go", 7, 20, None, None, "unknown", "", ())
ALLOW = [Allowed("allow:1", "main.poll", "main.poll"), Allowed("allow:2", "main.gone", "main.gone")]


EARLY = Unsettled("main.fill", "/src/main.go", 30, 40, 20, 60, "channel-receive")
GAP = "counts are not whole"


def found(
    *suspects: Suspect, command: int | None = 0, early: tuple[Unsettled, ...] = (), gaps: tuple[str, ...] = ()
) -> Outcome:
    checked = Checked(7, "/srv/shop", "ebpf", 3 * SECOND, command, gaps)
    return outcome(checked, Verdict(suspects, early, ("all",), ("the rest",)), ALLOW)


@pytest.mark.parametrize(
    ("suspects", "command", "code"),
    [
        ((), 0, 0),
        ((), None, 0),
        ((KNOWN,), 0, 0),
        ((LEAK,), 0, 1),
        ((LEAK,), 3, 1),
        ((), 3, 4),
        ((), -9, 4),
        ((KNOWN,), 3, 4),
    ],
)
def test_the_exit_code_says_whether_something_leaks_or_the_command_failed(
    suspects: tuple[Suspect, ...], command: int | None, code: int
) -> None:
    assert found(*suspects, command=command).exit_code == code


@pytest.mark.parametrize(
    ("suspects", "command", "code"), [((), 0, 5), ((KNOWN,), None, 5), ((LEAK,), 0, 1), ((), 3, 4)]
)
def test_what_was_not_seen_is_no_success_and_hides_neither_leaks_nor_a_command_that_failed(
    suspects: tuple[Suspect, ...], command: int | None, code: int
) -> None:
    assert found(*suspects, command=command, gaps=(GAP,)).exit_code == code


def test_what_it_is_too_early_to_say_of_is_no_failure_and_no_test_that_passed() -> None:
    outcome_ = found(early=(EARLY,))
    assert outcome_.exit_code == 0
    (case,) = [one for one in junit(outcome_).findall("testcase") if one.get("classname") == "main.fill"]
    assert "too early to say" in case.find("skipped").get("message")
    text = "\n".join(as_text(outcome_))
    assert "too early to say" in text
    assert "--duration 60s" in text.replace("\n  ", " ")
    assert "nothing looks like a leak" not in text


def test_an_allowed_statement_is_not_said_to_be_too_early() -> None:
    early = Unsettled("main.poll", "/other/poll.go", 7, 20, 12, 60, "unknown")
    outcome_ = found(early=(early,))
    assert (outcome_.too_early, outcome_.unmatched) == ((), ("allow:2: main.gone",))


def test_reports_of_a_check_with_gaps_say_so() -> None:
    outcome_ = found(gaps=(GAP,))
    assert f"not checked: {GAP}" in "\n".join(as_text(outcome_))
    suite = junit(outcome_)
    assert (suite.get("errors"), suite.find("testcase/error").get("message")) == ("1", GAP)
    (invocation,) = as_sarif(outcome_, Path("/src"))["runs"][0]["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 5)


def test_a_pattern_that_matches_nothing_is_named() -> None:
    assert found(LEAK, KNOWN).unmatched == ("allow:2: main.gone",)


def junit(outcome_: Outcome) -> Any:
    (suite,) = ElementTree.fromstring(as_junit(outcome_)).findall("testsuite")  # noqa: S314 - our own
    return suite


def test_junit_has_a_test_for_each_statement_and_counts_that_are_right() -> None:
    suite = junit(found(LEAK, KNOWN, command=3))
    assert suite.tag == "testsuite"
    numbers = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert numbers == {"tests": "3", "failures": "2", "errors": "0", "skipped": "1"}
    leak, known, command = suite.findall("testcase")
    assert (leak.get("classname"), leak.get("name")) == ("main.ask", "/src/main.go:12")
    assert "50 more" in leak.find("failure").text
    assert known.find("skipped") is not None
    assert command.find("failure").get("message") == "it exited with 3"


def test_junit_without_leaks_has_a_test_that_passed() -> None:
    suite = junit(found())
    assert (suite.get("tests"), suite.get("failures")) == ("2", "0")
    assert "not known: the rest" in suite.find("system-out").text


def test_junit_stays_xml_whatever_functions_are_called() -> None:
    hostile = Suspect('main.<&"\x00\x1b\ud800>', "/src/\x01.go", 1, 1, None, None, "unknown", "", ("\x02",))
    assert len(junit(found(hostile)).findall("testcase")) == 2


def test_sarif_has_the_required_properties_and_rules_for_all_results() -> None:
    log = as_sarif(found(LEAK, KNOWN, command=3), Path("/src"))
    assert (log["version"], log["$schema"].rpartition("/")[2]) == ("2.1.0", "sarif-2.1.0.json")
    (run,) = log["runs"]
    assert run["tool"]["driver"]["name"] == "gosonde"
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} == rules == {"channel-send", "unknown"}
    assert all(result["message"]["text"] and result["level"] == "error" for result in run["results"])
    assert run["invocations"][0]["executionSuccessful"] is True
    assert json.loads(json.dumps(log)) == log


def test_sarif_names_files_relative_to_the_folder_or_by_a_uri_and_suppresses_what_is_allowed() -> None:
    leak, known = as_sarif(found(LEAK, KNOWN), Path("/src"))["runs"][0]["results"]
    place = leak["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "main.go"}, "region": {"startLine": 12}}
    assert known["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///other/poll.go"
    assert "suppressions" not in leak
    assert known["suppressions"] == [{"kind": "external"}]


def test_the_text_names_leaks_what_is_allowed_what_matches_nothing_and_how_the_command_ended() -> None:
    text = "\n".join(as_text(found(LEAK, KNOWN, command=-9)))
    for part in ("main.ask  /src/main.go:12", "allowed: main.poll", "allow:2: main.gone", "was ended by signal 9"):
        assert part in text
