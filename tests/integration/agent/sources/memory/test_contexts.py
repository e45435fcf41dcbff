"""Live contexts are those that a program says it has made, by who can still cancel them."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.sources.memory.contexts.listing import grown, read_contexts
from gosonde_agent.sources.memory.contexts.tree import read_tree
from gosonde_agent.sources.memory.contexts.values import Cancel, ContextGroup, ContextKind, ContextNode, LiveContexts
from gosonde_agent.sources.memory.target import opened

from tests import toolchains
from tests.go_programs import GoProgram, site_line
from tests.versions import OLDEST_MIDDLE_NEWEST, VERSIONS

Start = Callable[..., GoProgram]
GOSONDE = str(Path(sys.executable).with_name("gosonde"))
COUNT, HOUR_NS = 12, 3_600_000_000_000
STRIPPED: dict[str, Any] = {"buildmode": "pie", "ldflags": ("-s", "-w")}
#: The roots of Go 1.20 and older do not say which they are.
OLD_ROOT = "background or todo"
every_version = pytest.mark.parametrize("version", VERSIONS)
stripped_or_not = pytest.mark.parametrize("build", [{}, STRIPPED], ids=["with symbols", "stripped PIE"])


def read(program: GoProgram, over_seconds: float = 0.0) -> LiveContexts:
    with opened(program.pid) as target:
        return read_contexts(target, over_seconds)


def told(group: ContextGroup) -> tuple[Any, ...]:
    """What tells groups of these programs apart, with the first deadline in whole hours."""
    hours = None if group.next_deadline_ns is None else -(-group.next_deadline_ns // HOUR_NS)
    return group.kind, group.cancel, group.waits_in, hours


def root(version: str, name: str) -> str:
    return OLD_ROOT if version.startswith("1.19.") else name


@every_version
@stripped_or_not
def test_contexts_are_forgotten_or_held_as_the_program_has_it_and_cancelled_ones_are_not_there(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    found = read(go_program("contexts/forgotten", str(COUNT), version=version, **build))
    app = root(version, "background")
    assert {told(group): (group.live, group.waiting) for group in found.groups if group.parents != (app,)} == {
        (ContextKind.CANCEL, Cancel.FORGOTTEN, "main.wait", None): (COUNT, COUNT),
        (ContextKind.CANCEL, Cancel.FORGOTTEN, "main.watch.func1", None): (COUNT, COUNT),
        (ContextKind.DEADLINE, Cancel.FORGOTTEN, "", 1): (COUNT, 0),
        (ContextKind.CANCEL, Cancel.HELD, "", None): (COUNT, 0),
        (ContextKind.DEADLINE, Cancel.HELD, "main.deferring", 2): (COUNT, COUNT),
    }
    (parent,) = (group for group in found.groups if group.parents == (app,))
    assert (told(parent)[:2], parent.live, parent.children) == ((ContextKind.CANCEL, Cancel.HELD), 1, 5 * COUNT)
    assert {group.parents for group in found.groups} == {(app,), ("cancel", app)}
    assert {group.created_by for group in found.groups if group.waits_in == "main.wait"} == {"main.handle"}
    assert (found.changing, found.unnamed) == (0, 0)


@every_version
@stripped_or_not
def test_nothing_is_forgotten_whose_function_is_called_later_however_it_is_kept(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    program = go_program("contexts/kept", str(COUNT), version=version, **build)
    found = read(program)
    assert {group.cancel for group in found.groups} == {Cancel.HELD}
    assert found.live == program.ready["ways"] * COUNT + 1


@every_version
def test_the_heap_profile_of_the_program_says_which_line_made_a_context(go_program: Start, version: str) -> None:
    found = read(go_program("contexts/forgotten", str(COUNT), "1", version=version, **STRIPPED))
    made = {group.made_in[0].function: group for group in found.groups if group.made_in}
    assert {name: group.made_in[0].sampled for name, group in made.items()} == dict.fromkeys(
        ["main.handle", "main.watch", "main.limit", "main.keep", "main.deferring"], COUNT
    )
    assert made["main.limit"].made_in[0].line == site_line("contexts/forgotten", "limit")
    assert made["main.limit"].cancel is Cancel.FORGOTTEN
    unsampled = read(go_program("contexts/forgotten", str(COUNT), "0", version=version))
    assert [group.made_in for group in unsampled.groups] == [[]] * len(unsampled.groups)


@every_version
@stripped_or_not
def test_parents_are_followed_through_values_and_types_of_the_program(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    found = read(go_program("contexts/chains", str(COUNT), version=version, **build))
    above = ("value main.key", "*main.request", "cancel", root(version, "todo"))
    groups = {tuple(group.parents): group for group in found.groups}
    assert {parents: group.live for parents, group in groups.items()} == {
        ("cancel", *above): 2 * COUNT,
        above: COUNT,
        above[-1:]: 1,
    }
    assert groups[above].children == 2 * COUNT
    assert {group.cancel for group in found.groups} == {Cancel.HELD}


@pytest.mark.parametrize("version", [version for version in VERSIONS if version != toolchains.DEBIAN])
def test_functions_that_run_after_a_context_and_what_is_cut_off_from_its_parent_are_contexts_too(
    go_program: Start, version: str
) -> None:
    found = read(go_program("contexts/newer", str(COUNT), version=version, **STRIPPED))
    assert {(*told(group), tuple(group.parents)): group.live for group in found.groups} == {
        (ContextKind.AFTER_FUNC, Cancel.FORGOTTEN, "", None, ("cancel", "background")): COUNT,
        (ContextKind.AFTER_FUNC, Cancel.HELD, "", None, ("cancel", "background")): COUNT,
        (ContextKind.CANCEL, Cancel.HELD, "", None, ("without-cancel", "cancel", "background")): COUNT,
        (ContextKind.CANCEL, Cancel.FORGOTTEN, "", None, ("cancel", "without-cancel", "cancel", "background")): COUNT,
        (ContextKind.CANCEL, Cancel.HELD, "", None, ("background",)): 1,
    }


@every_version
def test_deadlines_by_the_wall_clock_and_far_away_are_read_as_well(go_program: Start, version: str) -> None:
    found = read(go_program("contexts/deadlines", "30", version=version))
    app = root(version, "background")
    ends = {tuple(group.parents): told(group)[-1] for group in found.groups if group.kind is ContextKind.DEADLINE}
    assert ends["cancel", app] == 30
    assert ends[app,] > 1_000_000
    assert (found.live, found.unnamed) == (3, 1)


@pytest.mark.parametrize("version", OLDEST_MIDDLE_NEWEST)
def test_what_is_there_all_the_time_is_counted_exactly_while_others_are_made_and_cancelled(
    go_program: Start, version: str
) -> None:
    program = go_program("contexts/busy", "2000", version=version)
    for _ in range(3):
        found = read(program)
        live = {(told(group)[1], told(group)[3]): group.live for group in found.groups}
        # Each goroutine may have one more at hand, where it waits for a CPU. Of what the runtime moves within a map
        # just then it is not always known that it is a map's.
        passing = program.ready["goroutines"]
        assert 0 <= live[Cancel.FORGOTTEN, 1] + live.get((Cancel.UNKNOWN, 1), 0) - 2_000 <= passing
        assert live[Cancel.FORGOTTEN, 1] > 1_000
        assert 0 <= live[Cancel.HELD, 2] - 2_000 <= passing


def test_between_two_readings_groups_grow_by_what_was_made(go_program: Start) -> None:
    program = go_program("contexts/forgotten", str(COUNT))
    with opened(program.pid) as target:
        before = read_contexts(target)
        program.ask("more")
        after = grown(before, read_contexts(target))
    assert [group.grown for group in after.groups] == [COUNT] * 5 + [0]
    assert after.live == before.live + 5 * COUNT


def test_the_command_prints_groups_for_people_and_for_programs(go_program: Start) -> None:
    program = go_program("contexts/forgotten", str(COUNT), "1")
    command = [GOSONDE, "contexts", str(program.pid)]
    printed = subprocess.run([*command, "--json", "--function", "main.limit"], capture_output=True, check=True).stdout
    (group,) = json.loads(printed)
    assert 0 < group.pop("next_deadline_ns") < HOUR_NS
    (made,) = group.pop("made_in")
    assert made["file"].endswith("contexts/forgotten/main.go")
    assert group == {
        "kind": "deadline",
        "cancel": "forgotten",
        "parents": ["cancel", "background"],
        "waits_in": "",
        "created_by": "",
        "live": COUNT,
        "children": 0,
        "waiting": 0,
        "grown": None,
    }
    text = subprocess.run([*command, "--over", "0.1s"], capture_output=True, text=True, check=True).stdout
    assert text.splitlines()[0].split()[:3] == ["LIVE", "GREW", "CANCEL"]
    assert [line.split()[:2] for line in text.splitlines()[1:7]] == [[str(COUNT), "0"]] * 5 + [["1", "0"]]
    assert f"{5 * COUNT + 1} live contexts in all" in text


def goroutines_of(program: GoProgram, statement: str) -> list[int]:
    """The goids of the goroutines that a function created."""
    with opened(program.pid) as target:
        found = [one for one in target.goroutines() if one.created_by.function == statement]
    return [one.goid for one in found]


def flat(nodes: Sequence[ContextNode], depth: int = 0) -> list[tuple[int, str, bool]]:
    """(depth, name, whether it is the goroutine's own) of each node of a tree."""
    found = []
    for node in nodes:
        found += [(depth, node.name, node.is_own), *flat(node.children, depth + 1)]
    return found


@every_version
@stripped_or_not
def test_the_contexts_of_a_goroutine_are_a_tree_up_to_the_root_and_down_to_its_children(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    program = go_program("contexts/chains", "3", version=version, **build)
    above = [(0, root(version, "todo")), (1, "cancel"), (2, "*main.request"), (3, "value main.key"), (4, "cancel")]
    for goid in goroutines_of(program, "main.main"):
        with opened(program.pid) as target:
            nodes = flat(read_tree(target, goid).contexts)
        assert [node[:2] for node in nodes] == [*above, (5, "cancel"), (5, "cancel")]
        assert nodes[4][2]
    workers = goroutines_of(program, "main.serve")
    assert len(workers) == 6
    with opened(program.pid) as target:
        nodes = flat(read_tree(target, workers[0]).contexts)
    assert [node[:2] for node in nodes] == [*above, (5, "cancel")]
    assert [node[2] for node in nodes] == [False] * 5 + [True]


def test_the_tree_of_a_goroutine_is_printed_and_one_that_is_not_there_is_refused(go_program: Start) -> None:
    program = go_program("contexts/chains", "1")
    (goid,) = goroutines_of(program, "main.main")
    command = [GOSONDE, "contexts", str(program.pid), "--goroutine"]
    text = subprocess.run([*command, str(goid)], capture_output=True, text=True, check=True).stdout.splitlines()
    assert text[0] == "  todo"
    assert text[4] == "*         cancel, held, 1 goroutine waits in main.serve"
    printed = subprocess.run([*command, str(goid), "--json"], capture_output=True, check=True).stdout
    document = json.loads(printed)
    assert (document["goid"], [node["name"] for node in document["contexts"]]) == (goid, ["todo"])
    refused = subprocess.run([*command, "999999"], capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert f"process {program.pid} has no goroutine 999999" in refused.stderr


def test_a_program_without_contexts_is_told_from_one_that_has_none(go_program: Start) -> None:
    assert not read(go_program("timed/callbacks", "1")).has_package
