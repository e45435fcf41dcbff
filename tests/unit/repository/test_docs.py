"""The documentation says what is there: a name that it lacks, or that no longer exists, fails a test."""

import dataclasses
import importlib
import inspect
import json
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
from gosonde import collector_client
from gosonde.witness_numbers import WitnessNumbers
from gosonde_agent.config import AgentConfig
from gosonde_agent.discovery.listing import Listed
from gosonde_agent.host import checks
from gosonde_agent.model.losses import LOSSES
from gosonde_agent.sources.kinds import EBPF
from gosonde_agent.sources.memory.contexts.values import ContextGroup, ContextNode, ContextTree
from gosonde_agent.sources.possible import Possibility
from gosonde_agent.watch.trace.seen import Trace
from gosonde_cli import cli, leak_report
from gosonde_cli.check import outcome
from gosonde_cli.commands import findings, gc_local, ps
from gosonde_cli.source_text import source_document
from gosonde_cli.suspects import verdict
from gosonde_cli.trace_document import as_document
from gosonde_collector.analysis import dumps
from gosonde_collector.config import CollectorConfig
from gosonde_common.errors import GosondeError
from gosonde_common.serving import status_of
from gosonde_common.values import observation
from gosonde_common.values.audit import Act, Actor
from gosonde_common.values.containers import Container
from gosonde_common.values.gc import GcFigures, LastCycle, PastPause
from gosonde_common.values.http import HttpGroup
from gosonde_common.values.timers import TimerGroup

from tests.paths import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")] + sorted(DOCS.rglob("*.md"))


def section(text: str, heading: str) -> str:
    """What stands below a second-level heading."""
    found = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading!r}"
    return found[1]


def first_cells(text: str) -> set[str]:
    """The code in the first column of every table."""
    return set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))


def code_words(text: str) -> set[str]:
    """Every word that stands in a code span or a code block."""
    code = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    return {word for piece in code for word in re.findall(r"\w+", piece)}


@pytest.mark.parametrize(("file", "config"), [("agent.toml", AgentConfig), ("collector.toml", CollectorConfig)])
def test_every_key_of_a_configuration_is_documented_and_no_other(file: str, config: Any) -> None:
    keys = {field.name for field in dataclasses.fields(config)}
    assert first_cells(section((DOCS / "config.md").read_text(), file)) == keys


@pytest.mark.parametrize(("file", "config"), [("agent.toml", AgentConfig), ("collector.toml", CollectorConfig)])
def test_every_default_of_a_configuration_is_documented(file: str, config: Any) -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section((DOCS / "config.md").read_text(), file), re.MULTILINE)
    assert dict(rows) == {field.name: as_toml(getattr(config(), field.name)) for field in dataclasses.fields(config)}


def as_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Path):
        return f'"{value}"'
    return json.dumps(value) if isinstance(value, tuple) else str(value)


def test_every_loss_counter_is_documented_and_no_other() -> None:
    text = section((DOCS / "metrics.md").read_text(), "What could not be seen or kept")
    assert first_cells(text) == set(LOSSES)


def commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """(full name, command) of every command below a group of typer's."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def flags(command: Any) -> set[str]:
    named = {flag for parameter in command.params for flag in parameter.opts if flag.startswith("-")}
    return named - {"--help"}


def documented_flags() -> dict[str, set[str]]:
    """The flags that docs/commands.md lists, by full command name."""
    text = (DOCS / "commands.md").read_text()
    result: dict[str, set[str]] = {}
    for heading in re.findall(r"^## gosonde (.*)$", text, re.MULTILINE):
        rows = re.findall(r"^\| `(--[a-z-]+)[^`]*` \| (.*) \|$", section(text, f"gosonde {heading}"), re.MULTILINE)
        for name in heading.split(", "):
            result[f"gosonde {name}"] = {flag for flag, meaning in rows if is_flag_of(name, meaning)}
    return result


def is_flag_of(name: str, meaning: str) -> bool:
    """A row that begins with "`gc` alone" is about that command of its section and no other; there may be several."""
    alone = re.match(r"((?:`\w+`, )*`\w+`) alone", meaning)
    return alone is None or name in re.findall(r"\w+", alone[1])


def test_every_command_and_flag_is_documented_and_no_other() -> None:
    known = {name: flags(command) for name, command in commands(typer.main.get_command(cli.app()), "gosonde")}
    assert documented_flags() == known


@pytest.mark.parametrize(("heading", "names"), [("Acts", Act), ("Who", Actor)])
def test_every_act_and_who_does_it_is_documented_and_no_other(heading: str, names: Iterable[str]) -> None:
    assert first_cells(section((DOCS / "audit.md").read_text(), heading)) == set(names)


def test_every_error_is_documented_with_its_exit_code_and_status() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d) \| `(\w+)` \|", (DOCS / "errors.md").read_text(), re.MULTILINE)
    kinds = {kind for kind in error_classes("gosonde_common.errors") if kind.__module__ == "gosonde_common.errors"}
    assert set(rows) == {(kind.__name__, str(kind.exit_code), status_of(kind("")).name) for kind in kinds}


@pytest.mark.parametrize("module", ["gosonde_agent.model.errors", "gosonde_collector.model.errors"])
def test_every_refined_error_is_documented_with_its_base(module: str) -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", (DOCS / "errors.md").read_text(), re.MULTILINE))
    own = {kind for kind in error_classes(module) if kind.__module__ == module}
    assert own
    assert {(kind.__name__, kind.__bases__[0].__name__) for kind in own} <= rows


def error_classes(module: str) -> list[type[GosondeError]]:
    members = vars(importlib.import_module(module)).values()
    return [kind for kind in members if inspect.isclass(kind) and issubclass(kind, GosondeError)]


def keys_of(document: object) -> set[str]:
    """Every key of a JSON document, at any depth, except those below `lost`, which are loss counters."""
    if isinstance(document, Mapping):
        below = [keys_of(value) for key, value in document.items() if key != "lost"]
        return {str(key) for key in document}.union(*below)
    if isinstance(document, list | tuple):
        return set[str]().union(*map(keys_of, document))
    return set()


def fields_of(kind: Any) -> set[str]:
    """Every field of a dataclass and of those that it holds."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return set(hints).union(*map(fields_of, hints.values()))
    return set[str]().union(*map(fields_of, typing.get_args(kind)))


def traced() -> Trace:
    key = observation.ProcessKey(boot_id="b", pid=1, start_ticks=1, exec_epoch=0)
    process = observation.Process(key, "/x", "go1.27", "id", 1, 1, counted_from_start=True)
    site = observation.Site("id", 1, "main.f", "main.go", 1)
    pause = observation.Pause(key, 0, 1, 1, "GC mark termination")
    return Trace(process, (observation.SiteCount(key, site, 1, 1),), None, [pause], dict.fromkeys(LOSSES, 0))


def collected() -> GcFigures:
    values: dict[str, Any] = {field.name: 1 for field in dataclasses.fields(LastCycle)}
    return GcFigures(1, 1, 1, (PastPause(1, 1, 1),), 1, 1, 1, 1, 0.5, LastCycle(**values))


def json_keys(command: str) -> set[str]:
    documents: dict[str, Any] = {
        "ps": lambda: set(ps.document(Listed(1, "/x", "go1.27", 1, 1.0, {}))),
        "trace": lambda: keys_of(as_document(traced())) | fields_of(verdict.Verdict) | fields_of(verdict.Unsettled),
        "processes": lambda: fields_of(collector_client.ProcessRow),
        "sites": lambda: fields_of(collector_client.SiteRow),
        "gc": lambda: fields_of(collector_client.GcRow),
        "parks": lambda: fields_of(collector_client.ParkRow),
        "audit": lambda: fields_of(collector_client.AuditRow),
        "gc --here": lambda: keys_of(gc_local.as_document(collected(), 1)),
        "timers": lambda: fields_of(TimerGroup),
        "http": lambda: fields_of(HttpGroup),
        "findings": lambda: fields_of(collector_client.Finding) - {"details"},
        "pprof push": lambda: fields_of(collector_client.Pushed),
        "pprof show": lambda: fields_of(dumps.DumpSummary) | fields_of(dumps.Creation) | fields_of(dumps.Wait),
    }
    keys: set[str] = documents[command]()
    return keys


@pytest.mark.parametrize(
    "command",
    [
        "ps",
        "trace",
        "processes",
        "sites",
        "gc",
        "parks",
        "audit",
        "gc --here",
        "timers",
        "http",
        "findings",
        "pprof push",
        "pprof show",
    ],
)
def test_every_key_of_a_json_document_is_documented(command: str) -> None:
    keys = json_keys(command)
    assert len(keys) > 3
    assert keys - code_words((DOCS / "json.md").read_text()) == set()


def test_every_key_of_a_verdict_on_leaks_is_documented() -> None:
    keys = fields_of(leak_report.LeakReport)
    assert {"retained_heap_bytes", "path", "bars"} <= keys
    assert keys - code_words(section((DOCS / "leaks.md").read_text(), "JSON")) == set()


def test_every_key_of_contexts_is_documented() -> None:
    keys = fields_of(ContextGroup) | {
        field.name for of in (ContextTree, ContextNode) for field in dataclasses.fields(of)
    }
    assert {"made_in", "sampled", "grown", "goid", "is_own"} <= keys
    assert keys - code_words(section((DOCS / "contexts.md").read_text(), "JSON")) == set()


def test_every_key_of_a_check_is_documented() -> None:
    assert fields_of(outcome.Outcome) - code_words((DOCS / "ci.md").read_text()) == set()


def test_the_keys_of_findings_are_those_of_the_command() -> None:
    site, process = collector_client.SiteName("f", "g", 1), collector_client.ProcessName(1, "/x")
    finding = collector_client.Finding("i", "growing", 1.0, "c", "r", "h", process, site, 1, 1.0, 1, {}, {})
    finding = dataclasses.replace(finding, works=(collector_client.Work("f", 1, "c"),))
    finding = dataclasses.replace(finding, muted=collector_client.Muted("r", "b", 1, 2, "finding"))
    numbers = WitnessNumbers("live", 1, 2, 2, None, None)
    timers = collector_client.TimersFound("func", "main.f", False, 1, 2, None, 3, False)
    labels = (collector_client.LabelShare("k", "v", 1, 1, 2, 3),)
    finding = dataclasses.replace(finding, numbers={"memory": numbers}, timers=timers, labels=labels)
    hosts = (collector_client.HostSeen("h", 4, 1, 1, 1, 1, 3),)
    finding = dataclasses.replace(finding, hosts=hosts)
    finding = dataclasses.replace(finding, container=Container())
    assert keys_of(findings.document(finding)) - {"memory"} == json_keys("findings")


def test_everything_that_doctor_says_is_documented() -> None:
    text = (DOCS / "doctor.md").read_text()
    names = {function.__name__.removeprefix("_") for function in checks.CHECKS}
    keys = {field.name for field in dataclasses.fields(checks.Check)}
    assert first_cells(text) == names | keys | source_document(Possibility(EBPF)).keys()
    assert {"ready", "checks", "sources"} | {status.value for status in checks.Status} <= code_words(text)


def links(page: Path) -> Iterator[tuple[str, str]]:
    """(target, anchor) of every link that stays in the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_every_page_is_in_the_index() -> None:
    listed = {path for path, _ in links(DOCS / "README.md")}
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_is_mentioned_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    mentioned: Iterable[str] = re.findall(r"`make ([a-z-]+)", page.read_text())
    assert set(mentioned) <= targets


#: Words that gave way to those of the field: see docs/glossary.md. They stay in ADRs and past entries of CHANGELOG.md.
RETIRED = (
    r"told|tells?|telling|untold|meant|anew|dear|dearer|dearest|glance|album|lookalikes|dismiss(?:ed)?|carried|seldom"
    r"|patience|in vain|takes? in(?! all)|give[ns]? back|gave back|probes out"
)


def retired(text: str) -> list[str]:
    """The retired words in a text, outside links."""
    return re.findall(rf"\b(?:{RETIRED})\b", re.sub(r"\]\([^)]*\)", "", text).lower())


def test_every_word_of_the_glossary_is_used_elsewhere() -> None:
    words = re.findall(r"^\| ([a-z ]+) \| [A-Z]", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    others = "\n".join(page.read_text() for page in DOCS.glob("*.md") if page.name != "glossary.md").lower()
    assert len(words) > 20
    assert [word for word in words if not re.search(rf"\b{word}", others)] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: str(page.name))
def test_no_page_uses_a_retired_word(page: Path) -> None:
    assert retired(page.read_text()) == []


def test_no_help_docstring_log_event_or_public_name_uses_a_retired_word() -> None:
    texts = [command.help or "" for _, command in commands(typer.main.get_command(cli.app()), "gosonde")]
    for package in ("agent", "collector", "common", "client", "cli"):
        for path in (ROOT / package).rglob("*.py"):
            source = path.read_text()
            texts += re.findall(r"log\.\w+\(\s*\"([^\"]*)\"", source)
            texts += re.findall(r'"""(.*?)"""', source, re.DOTALL)
            names = re.findall(r"^ *(?:async )?(?:def|class) ([A-Za-z]\w*)", source, re.MULTILINE)
            texts += [re.sub(r"([a-z])([A-Z])", r"\1 \2", name).replace("_", " ") for name in names]
    assert retired("\n".join(texts)) == []
