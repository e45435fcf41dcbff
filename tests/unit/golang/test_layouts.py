"""The table of layouts: one place that says which versions are known, and never a guess between two releases."""

import pytest
from gosonde_agent.errors import UnsupportedBinaryError
from gosonde_agent.golang.buildinfo import GoVersion
from gosonde_agent.golang.layouts import layout_of


@pytest.mark.parametrize(
    ("minor", "gopc"),
    [(18, 296), (19, 296), (20, 296), (21, 280), (22, 280), (23, 288), (24, 288), (25, 280), (26, 288), (27, 288)],
)
def test_every_supported_version_has_the_fields_that_probes_need(minor: int, gopc: int) -> None:
    for architecture in ("amd64", "arm64"):
        layout = layout_of(GoVersion(minor), architecture)
        assert layout.offset("g", "gopc") == layout.gopc == gopc
        assert layout.offset("g", "startpc") == gopc + 16
        assert layout.offset("moduledata", "gofunc") in (304, 320, 344)
        assert {"wrapper", "gopanic", "sigpanic", "panicwrap"} <= layout.func_ids.keys()


def test_fields_of_fields_have_dotted_names_and_structures_a_size() -> None:
    layout = layout_of(GoVersion(27, 3))
    assert layout.offset("g", "sched.sp") == layout.offset("g", "sched") + layout.offset("gobuf", "sp")
    assert layout.size("g") == 456


def test_what_two_neighbouring_releases_disagree_on_is_not_told_between_them() -> None:
    before, between, after = (layout_of(GoVersion(23, patch)) for patch in (1, 5, 9))
    changed = {
        (structure, field)
        for structure in ("m", "workType")
        for field in before.fields(structure)
        if before.fields(structure)[field] != after.fields(structure).get(field)
    }
    assert changed
    assert not any(between.has(*place) for place in changed)
    assert between.fields("g") == before.fields("g") == after.fields("g")
    with pytest.raises(UnsupportedBinaryError, match=r"is not known \(go1.23.1 and go1.23.9\)"):
        between.offset(*changed.pop())


@pytest.mark.parametrize(("version", "reason"), [(GoVersion(28), "newer than"), (GoVersion(16), "rebuild it")])
def test_other_versions_are_refused_by_name_with_those_that_are_supported(version: GoVersion, reason: str) -> None:
    with pytest.raises(UnsupportedBinaryError, match=rf"{version} .*{reason}"):
        layout_of(version)
