"""Goroutines of a snapshot are counted for the go statement that made them, or the doubt is said."""

from dataclasses import replace

import pytest
from gosonde_collector.analysis.matching import count_goroutines
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.evidence.names import plain_name
from gosonde_collector.model.values import Site

from tests.unit.collector.evidence.test_profiles import VERSIONS, read, recorded

FILE = "snapshot/main.go"
PLAIN = Site("b", 1, "main.main", FILE, 57, "main.plain")
IN_LOOP = Site("b", 2, "main.twoSites", FILE, 31, "main.withArgument")
AFTER_LOOP = Site("b", 3, "main.twoSites", FILE, 33, "main.withArgument")
WRAPPED = Site("b", 4, "main.twoSites", FILE, 31, "main.twoSites.gowrap1")
GENERIC = Site("b", 5, "main.main", FILE, 64, "main.generic[go.shape.int]")
LABELLED = Site("b", 6, "main.labelled.func1", FILE, 50, "main.plain")


def profile(version: str, kind: str) -> GoroutineProfile:
    return read(recorded(version, kind))


@pytest.mark.parametrize(
    ("function", "plain"),
    [
        ("main.f", "main.f"),
        ("main.(*T).m-fm", "main.(*T).m"),
        ("main.g[go.shape.int]", "main.g[...]"),
        ("main.g[...]", "main.g[...]"),
        ("main.(*T[go.shape.[]uint8]).m.func1", "main.(*T[...]).m.func1"),
        ("main.g[map[string][]int].func1", "main.g[...].func1"),
    ],
)
def test_names_are_compared_without_type_arguments(function: str, plain: str) -> None:
    assert plain_name(function) == plain


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("site", "count"), [(PLAIN, 5), (IN_LOOP, 3), (AFTER_LOOP, 1), (WRAPPED, 3), (GENERIC, 1), (LABELLED, 1)]
)
def test_debug_2_counts_exactly_by_statement(version: str, site: Site, count: int) -> None:
    others = [PLAIN, IN_LOOP, AFTER_LOOP, GENERIC, LABELLED]
    found = count_goroutines(profile(version, "debug2.txt"), site, [o for o in others if o.line != site.line])
    assert (found.least, found.most) == (count, count)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_site_whose_agent_redacts_paths_is_found_in_a_profile_that_has_them(version: str) -> None:
    redacted = replace(PLAIN, file=PLAIN.file.rpartition("/")[2])
    assert redacted != PLAIN
    for site, least in ((redacted, 5), (replace(redacted, file="other.go"), 0)):
        found = count_goroutines(profile(version, "debug2.txt"), site, [IN_LOOP, AFTER_LOOP])
        assert (found.least, found.most) == (least, least)


@pytest.mark.parametrize("version", VERSIONS)
def test_two_statements_on_one_line_cannot_be_told_apart(version: str) -> None:
    found = count_goroutines(profile(version, "debug2.txt"), IN_LOOP, [IN_LOOP, WRAPPED])
    assert (found.least, found.most) == (0, 3)
    assert "2 go statements" in found.how


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["proto.gz", "debug1.txt"])
def test_the_others_count_by_start_function(version: str, kind: str) -> None:
    found = count_goroutines(profile(version, kind), PLAIN, [PLAIN, IN_LOOP, AFTER_LOOP])
    assert found.least == 6
    assert found.how == "starting in main.plain"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["proto.gz", "debug1.txt"])
def test_a_start_function_of_several_statements_gives_no_least(version: str, kind: str) -> None:
    found = count_goroutines(profile(version, kind), IN_LOOP, [IN_LOOP, AFTER_LOOP])
    assert found.least == 0
    assert found.most >= 4
    assert "several go statements" in found.how


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["proto.gz", "debug1.txt"])
def test_a_wrapper_leaves_open_how_many_of_the_unclaimed_are_its_own(version: str, kind: str) -> None:
    found = count_goroutines(profile(version, kind), WRAPPED, [WRAPPED, PLAIN, LABELLED])
    assert (found.least, found.most) == (0, 22 - 6)


@pytest.mark.parametrize("kind", ["proto.gz", "debug1.txt"])
def test_an_unknown_start_function_may_be_any_that_is_unclaimed(kind: str) -> None:
    site = Site("b", 9, "main.f", FILE, 1, "")
    found = count_goroutines(profile("1.24", kind), site, [site, PLAIN])
    assert (found.least, found.most) == (0, 22 - 6)
