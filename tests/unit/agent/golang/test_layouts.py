"""The table of layouts: one place that says which versions are known, and never a guess between two releases."""

import pytest
from gosonde_agent.golang.buildinfo import GoVersion
from gosonde_agent.golang.layouts import layout_of, proved
from gosonde_agent.model.errors import UnsupportedBinaryError


@pytest.mark.parametrize(
    ("minor", "gopc"),
    [
        (17, 296),
        (18, 296),
        (19, 296),
        (20, 296),
        (21, 280),
        (22, 280),
        (23, 288),
        (24, 288),
        (25, 280),
        (26, 288),
        (27, 288),
    ],
)
def test_every_supported_version_has_the_fields_that_probes_need(minor: int, gopc: int) -> None:
    for architecture in ("amd64", "arm64") if minor > 17 else ("amd64",):
        layout = layout_of(GoVersion(minor), architecture)
        assert layout.offset("g", "gopc") == layout.gopc == gopc
        assert layout.offset("g", "startpc") == gopc + 16
        assert layout.fields("moduledata").get("gofunc") in ((304, 320, 344) if minor > 17 else (None,))
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


def test_a_version_from_before_the_register_abi_is_refused_by_name_with_those_that_are_supported() -> None:
    with pytest.raises(UnsupportedBinaryError, match=r"go1\.16 is not supported on amd64 .*1\.17, 1\.18.*rebuild it"):
        layout_of(GoVersion(16))
    with pytest.raises(UnsupportedBinaryError, match=r"go1\.17\.2 is not supported on arm64"):
        layout_of(GoVersion(17, 2), "arm64")


@pytest.mark.parametrize(
    "version", [GoVersion(28), GoVersion(23, 5), GoVersion(24, 12), GoVersion(18, 1), GoVersion(18)]
)
def test_a_release_that_the_table_has_not_whole_is_laid_out_as_the_program_itself_says(version: GoVersion) -> None:
    layout = layout_of(version, own=lambda: {"g": {"gopc": 288, "goid": 152}})
    assert layout.source == "DWARF"
    assert layout.offset("g", "goid") == 152
    assert proved(layout, version, 288) == layout
    with pytest.raises(UnsupportedBinaryError, match=r"keeps g\.gopc at offset 280, but DWARF has it at 288"):
        proved(layout, version, 280)


def test_a_release_that_the_table_has_is_never_asked_for_its_dwarf() -> None:
    layout = layout_of(GoVersion(27, 3), own=lambda: pytest.fail("asked"))
    assert layout.source == "go1.27.3"


def test_of_a_newer_version_without_dwarf_only_what_its_code_shows_is_known() -> None:
    version = GoVersion(28)
    with pytest.raises(UnsupportedBinaryError, match=r"go1\.28 is newer than this gosonde supports .*1\.17.*1\.27"):
        proved(layout_of(version), version, None)
    layout = proved(layout_of(version), version, 304)
    assert (layout.source, layout.gopc, layout.offset("g", "startpc")) == ("code", 304, 320)
    assert not layout.has("g", "goid")


@pytest.mark.parametrize("minor", [17, 19, 20, 21, 22, 23, 24, 25, 26, 27])
def test_every_version_with_dwarf_has_what_a_heap_is_read_by(minor: int) -> None:
    newest = {17: 2, 19: 8, 20: 3, 21: 13, 22: 10, 23: 9, 24: 11, 25: 5, 26: 6, 27: 3}
    for architecture in ("amd64", "arm64") if minor > 17 else ("amd64",):
        layout = layout_of(GoVersion(minor, newest[minor]), architecture)
        assert layout.has("mheap", "allspans")
        assert layout.fields("mspan").keys() >= {
            *("startAddr", "npages", "freeindex", "nelems", "allocBits", "spanclass", "state", "elemsize", "specials")
        }
        assert layout.fields("special").keys() >= {"next", "offset", "kind"}
        assert layout.fields("sudog").keys() >= {"g", "elem", "waitlink", "c"}
        assert layout.fields("finBlock" if minor > 24 else "finblock").keys() >= {"alllink", "cnt", "fin"}
        assert layout.fields("moduledata").keys() >= {"data", "edata", "bss", "ebss", "next"}
        assert layout.has("cleanupQueue", "all") == layout.has("cleanupBlock", "cleanups") == (minor > 24)
        assert {layout.has("p", "wbBuf"), layout.has("p", "gcw"), layout.has("g", "waiting")} == {True}
