"""The outcome of a check as text, JUnit XML and SARIF."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gosonde_common import __version__, foreign

from gosonde_cli.check.outcome import Outcome, ending
from gosonde_cli.suspects.verdict import Suspect, Unsettled, Verdict
from gosonde_cli.suspects.verdict_text import unsettled_line, verdict_lines

WIDTH: Final = 80
SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(found: Outcome) -> Iterator[str]:
    """Lines for people."""
    if found.not_checked:
        yield from textwrap.wrap(f"not checked: {'; '.join(found.not_checked)}", WIDTH, subsequent_indent="  ")
    said = Verdict(found.leaks, found.too_early, found.looked_at, found.not_known)
    yield from verdict_lines(said, found.counted_ns, WIDTH)
    for one in found.allowed:
        yield foreign.shown(f"allowed: {one.function} {one.file}:{one.line}, {one.live:,} live")
    for pattern in found.unmatched:
        yield foreign.shown(f"matches nothing: {pattern}")
    if found.command_exit_code:
        yield f"the command {ending(found.command_exit_code)}"


def as_junit(found: Outcome) -> str:
    """A test suite: each leak is a failed test, each allowed one a skipped test, the command a test of its own."""
    suite = Element("testsuite", name="gosonde check", time=f"{found.counted_ns / 1e9:.3f}")
    for one in found.leaks:
        failure = SubElement(_case(suite, one), "failure", type=one.cause, message=foreign.shown(_message(one)))
        failure.text = foreign.lines(_explained(one))
    for one in found.allowed:
        SubElement(_case(suite, one), "skipped", message=foreign.shown(f"allowed: {_message(one)}"))
    for unsettled in found.too_early:
        SubElement(_case(suite, unsettled), "skipped", message=foreign.shown(_unsettled(unsettled)))
    if found.not_checked:
        case = SubElement(suite, "testcase", classname="gosonde", name="all was counted")
        SubElement(case, "error", type="not checked", message=foreign.shown("; ".join(found.not_checked)))
    elif not found.leaks:
        SubElement(suite, "testcase", classname="gosonde", name="no go statement looks like a leak")
    if found.command_exit_code is not None:
        case = SubElement(suite, "testcase", classname="gosonde", name="the command succeeds")
        if found.command_exit_code:
            SubElement(case, "failure", type="command", message=f"it {ending(found.command_exit_code)}")
    notes = [*found.looked_at, *(f"not known: {one}" for one in found.not_known)]
    notes += [f"matches nothing: {one}" for one in found.unmatched]
    counts = {"tests": "testcase", "failures": "testcase/failure", "skipped": "testcase/skipped"}
    counts["errors"] = "testcase/error"
    for name, path in counts.items():
        suite.set(name, str(len(suite.findall(path))))
    SubElement(suite, "system-out").text = foreign.lines("\n".join(notes))
    suites = Element("testsuites")
    suites.append(suite)
    indent(suites)
    return tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: Element, one: Suspect | Unsettled) -> Element:
    name = f"{one.file}:{one.line}" if one.file else "go statement"
    return SubElement(suite, "testcase", classname=foreign.shown(one.function), name=foreign.shown(name))


def _unsettled(one: Unsettled) -> str:
    return f"too early to say: {unsettled_line(one)}; run for {one.run_seconds} s"


def _message(one: Suspect) -> str:
    return f"goroutines of {one.function} look like a leak: {one.live:,} live, cause {one.cause}"


def _explained(one: Suspect) -> str:
    return "\n".join([f"{one.function} {one.file}:{one.line}", *one.evidence, one.remedy]).rstrip()


def as_sarif(found: Outcome, folder: Path) -> dict[str, Any]:
    """A SARIF 2.1.0 log; files below `folder` are named relative to it, as code scanning wants them."""
    suspects = (*found.leaks, *found.allowed)
    causes = sorted({one.cause for one in suspects})
    rules = [{"id": cause, "shortDescription": {"text": f"Goroutines leak: {cause}"}} for cause in causes]
    driver = {"name": "gosonde", "version": __version__, "rules": rules}
    results = [_result(one, folder, is_allowed=one in found.allowed) for one in suspects]
    notes = [*(f"not known: {one}" for one in found.not_known), *(f"matches nothing: {one}" for one in found.unmatched)]
    notes += map(_unsettled, found.too_early)
    said = [{"level": "note", "message": {"text": note}} for note in notes]
    said += [{"level": "error", "message": {"text": f"not checked: {one}"}} for one in found.not_checked]
    if found.command_exit_code:
        said.append({"level": "error", "message": {"text": f"the command {ending(found.command_exit_code)}"}})
    invocation = {
        "executionSuccessful": not found.not_checked,
        "exitCode": found.exit_code,
        "toolExecutionNotifications": said,
    }
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": results}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(one: Suspect, folder: Path, *, is_allowed: bool) -> dict[str, Any]:
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": one.function, "kind": "function"}]}
    if one.file:
        region = {"region": {"startLine": one.line}} if one.line > 0 else {}
        location["physicalLocation"] = {"artifactLocation": {"uri": _uri(one.file, folder)}, **region}
    message = f"{_message(one)}\n{_explained(one)}"
    result = {"ruleId": one.cause, "level": "error", "message": {"text": message}, "locations": [location]}
    return result | ({"suppressions": [{"kind": "external"}]} if is_allowed else {})


def _uri(file: str, folder: Path) -> str:
    path = Path(file)
    if not path.is_absolute():
        return path.as_posix()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_uri()
