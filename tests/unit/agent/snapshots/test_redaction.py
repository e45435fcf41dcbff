"""With redact_paths nothing that the agent reports has a folder in it, and everything else stays."""

from dataclasses import replace

from gosonde_agent.snapshots.redaction import Redaction
from gosonde_common.values.goroutines import Goroutine, Location
from gosonde_common.values.observation import Observation

from tests.unit.agent.observations import act, count, observed, pause, process

HOME = "/home/ann/secret project"


def seen() -> Observation:
    watched = replace(process(1), exe=f"{HOME}/bin/shop")
    refused = replace(process(2), exe=f"{HOME}/old", refusal=f"reading {HOME}/old failed: too old")
    row = count(watched, 5, 3, 1)
    row = row._replace(site=replace(row.site, function="example.com/shop.Serve", file=f"{HOME}/shop/cart.go"))
    return observed(watched, refused, site_counts=(row,), pauses=(pause(watched, 1),), audit=(act(1, watched.exe),))


def test_executables_files_and_refusals_lose_their_folders() -> None:
    reported = Redaction().observation(seen())
    assert [process.exe for process in reported.processes] == ["shop", "old"]
    assert reported.processes[1].refusal == "reading old failed: too old"
    assert reported.site_counts[0].site.file == "cart.go"
    assert (reported.audit[0].exe, reported.audit[0].detail) == ("shop", "of shop")
    assert "ann" not in repr(reported)


def test_functions_counts_and_events_stay() -> None:
    before, reported = seen(), Redaction().observation(seen())
    (row,) = reported.site_counts
    assert (row.site.function, row.site.pc, row.created, row.exited) == ("example.com/shop.Serve", 5, 3, 1)
    assert row.process == reported.processes[0].key
    assert (reported.pauses, reported.taken_unix_nano, reported.losses) == (
        before.pauses,
        before.taken_unix_nano,
        before.losses,
    )


def test_a_goroutine_loses_the_folders_of_its_stack() -> None:
    frames = tuple(Location(f"main.f{number}", f"{HOME}/f{number}.go", number) for number in (1, 2))
    goroutine = Goroutine(
        goid=7,
        status="waiting",
        wait_reason="chan receive",
        wait_ns=None,
        created_by=Location("main.main", f"{HOME}/main.go", 3),
        start_function="main.f2",
        parent_goid=1,
        thread_id=0,
        locked=False,
        system=False,
        active=False,
        complete=True,
        stack=frames,
    )
    reported = Redaction().goroutine(goroutine)
    assert reported.created_by == Location("main.main", "main.go", 3)
    assert reported.stack == (Location("main.f1", "f1.go", 1), Location("main.f2", "f2.go", 2))
    assert replace(reported, created_by=goroutine.created_by, stack=frames) == goroutine
