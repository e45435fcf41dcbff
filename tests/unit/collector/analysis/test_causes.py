"""A cause is inferred from where goroutines wait, and stays unknown when they do not agree."""

from dataclasses import replace

import pytest
from gosonde_collector.analysis.causes import Cause, classify
from gosonde_collector.analysis.growth import Growth
from gosonde_collector.analysis.remedies import REMEDIES, remedy
from gosonde_collector.analysis.slope import Slope
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.values import Site

SITE = Site("build", 0x1000, "main.serve", "main.go", 42, "main.serve.func1")
BY = Frame("main.serve", "main.go", 42)


def growth(created: int = 100, exited: int = 0) -> Growth:
    return Growth(60, Slope(1, 1, 1), created - exited, created, exited, 0, "steady", 60.0)


def group(state: str, *functions: str, count: int = 10, by: Frame = BY) -> GoroutineGroup:
    return GoroutineGroup(count, tuple(Frame(function, "x.go", 1) for function in functions), by, state)


def cause(*groups: GoroutineGroup, site: Site = SITE, seen: Growth | None = None) -> Cause:
    return classify(site, GoroutineProfile("debug=2", groups), seen or growth())


@pytest.mark.parametrize(
    ("state", "functions", "expected"),
    [
        ("chan send", ("main.serve.func1",), "channel-send"),
        ("chan send (nil chan)", ("main.serve.func1",), "nil-channel"),
        ("chan receive (nil chan)", ("main.serve.func1",), "nil-channel"),
        ("chan receive", ("main.serve.func1",), "channel-receive"),
        ("chan receive", ("runtime.gopark", "runtime.chanrecv", "runtime.chanrecv2", "main.work"), "queue"),
        ("chan receive, for a context", ("runtime.chanrecv1", "main.serve.func1"), "context"),
        ("chan receive, for a timer", ("runtime.chanrecv2", "main.serve.func1"), "timer"),
        ("select, for a context", ("main.serve.func1",), "context"),
        ("chan receive, for a signal", ("runtime.chanrecv2", "main.serve.func1"), "signal-channel"),
        ("select", ("main.serve.func1",), "select"),
        ("select (no cases)", ("main.serve.func1",), "select"),
        ("select (durable)", ("main.serve.func1",), "select"),
        ("chan receive (durable)", ("main.serve.func1",), "channel-receive"),
        ("select, for a timer", ("lib.(*Cache).sweep",), "timer"),
        ("sleep", ("time.Sleep", "main.serve.func1"), "sleep-loop"),
        ("semacquire", ("sync.runtime_SemacquireMutex", "sync.(*Mutex).Lock", "main.f"), "lock"),
        ("sync.Mutex.Lock", ("main.f",), "lock"),
        ("sync.RWMutex.RLock", ("sync.(*RWMutex).RLock", "main.f"), "lock"),
        ("semacquire", ("sync.runtime_Semacquire", "sync.(*WaitGroup).Wait", "main.f"), "waitgroup"),
        ("sync.WaitGroup.Wait", ("main.f",), "waitgroup"),
        ("sync.Cond.Wait", ("sync.(*Cond).Wait", "main.f"), "cond"),
        ("IO wait", ("internal/poll.(*FD).Read", "net.(*conn).Read", "main.f"), "io"),
        ("select", ("runtime.selectgo", "net/http.(*persistConn).roundTrip", "net/http.Get", "main.f"), "io"),
        ("syscall", ("syscall.Syscall", "syscall.Flock", "main.f"), "syscall"),
        ("runnable", ("main.f",), "unknown"),
        ("some new reason", ("main.f",), "unknown"),
    ],
)
def test_a_wait_reason_and_a_stack_tell_the_cause(state: str, functions: tuple[str, ...], expected: str) -> None:
    found = cause(group(state, *functions))
    assert found.name == expected
    assert found.stacks[0][1][-1].function == functions[-1]
    assert found.states == ((state, 10),)


def test_goroutines_that_wait_for_different_things_leave_the_cause_unknown() -> None:
    assert cause(group("chan send", "main.a"), group("sleep", "time.Sleep")).name == "unknown"


def test_a_few_that_differ_change_nothing() -> None:
    assert cause(group("chan send", "main.a", count=20), group("running", "main.a", count=3)).name == "channel-send"


def test_the_most_frequent_stacks_stand_for_all_those_of_the_cause_first() -> None:
    groups = [group("sleep", f"main.f{n}", count=n) for n in (1, 2, 3)] + [group("chan send", "main.a", count=20)]
    found = cause(*groups)
    assert [(count, frames[0].function) for count, frames in found.stacks] == [
        (20, "main.a"),
        (3, "main.f3"),
        (2, "main.f2"),
    ]


def test_goroutines_of_other_statements_do_not_count() -> None:
    other = group("sleep", "time.Sleep", by=Frame("main.other", "main.go", 7), count=1_000)
    assert cause(group("chan send", "main.a"), other).name == "channel-send"


def test_without_goroutines_of_the_site_nothing_is_said() -> None:
    assert cause() == Cause()


CONNECTION = Site("build", 1, "net/http.(*Transport).dialConn", "transport.go", 1, "net/http.(*persistConn).writeLoop")
DIAL = Frame(CONNECTION.function, "transport.go", 2)


@pytest.mark.parametrize(("state", "expected"), [("select", "http-body"), ("IO wait", "http-idle")])
def test_the_reader_of_an_http_connection_tells_of_its_writer_too(state: str, expected: str) -> None:
    reader = group(state, "net/http.(*persistConn).readLoop", by=DIAL)
    writer = group("select", "net/http.(*persistConn).writeLoop", by=DIAL)
    asking = group("select", "net/http.(*Transport).roundTrip", "net/http.(*Client).Do", "main.fetch")
    found = cause(reader, writer, asking, site=CONNECTION)
    assert found.name == expected
    assert "Requests are made in main.fetch." in remedy(found, CONNECTION)


def test_goroutines_that_end_more_slowly_than_others_begin_are_too_many() -> None:
    assert cause(group("sleep", "time.Sleep"), seen=growth(100, 50)).name == "unbounded-go"


def test_goroutines_are_not_too_many_when_newer_ones_exit_and_the_older_stay() -> None:
    groups = (group("chan send", "main.a", count=90), group("sleep", "time.Sleep"))
    profile = GoroutineProfile("debug=2", groups)
    assert classify(SITE, profile, growth(100, 40)).name == "unbounded-go"
    assert classify(SITE, profile, growth(100, 40), served=False).name == "channel-send"


def test_goroutines_are_not_too_many_when_the_newest_are_at_work_and_the_others_never_have_their_turn() -> None:
    waiting = replace(group("chan send", "main.a", count=90), goids=tuple(range(1, 91)))
    working = group("sleep", "time.Sleep")
    older, newer = (replace(working, goids=tuple(range(first, first + 10))) for first in (-9, 91))
    assert cause(waiting, older, seen=growth(100, 40)).name == "unbounded-go"
    assert cause(waiting, newer, seen=growth(100, 40)).name == "channel-send"


def test_a_few_that_stay_among_many_that_end_are_not_too_many() -> None:
    assert cause(group("chan receive", "main.a"), seen=growth(1_000, 990)).name == "channel-receive"


def test_what_the_context_and_time_packages_start_has_one_cause() -> None:
    for function, expected in (("context.(*cancelCtx).propagateCancel", "context"), ("time.goFunc", "timer")):
        site = Site("build", 1, function, "go.go", 9)
        assert cause(group("select", "x.y", by=Frame(function, "go.go", 9)), site=site).name == expected


def test_every_remedy_can_be_said() -> None:
    for name in REMEDIES:
        text = remedy(Cause(name), SITE)
        assert "{" not in text
        assert len(text) > 40


@pytest.mark.parametrize(
    ("functions", "expected"),
    [
        (("io.(*pipe).write", "io.(*PipeWriter).Write", "fmt.Fprintln", "main.upload.func1"), "pipe-write"),
        (("io.(*pipe).read", "io.(*PipeReader).Read", "main.f"), "pipe-read"),
        (("os/exec.(*Cmd).awaitGoroutines", "os/exec.(*Cmd).Wait", "os/exec.(*Cmd).Run", "main.run"), "exec-pipe"),
        (
            ("internal/poll.(*FD).Read", "os.(*File).Read", "io.Copy", "os/exec.(*Cmd).writerDescriptor.func1"),
            "exec-pipe",
        ),
        (("os/signal.NotifyContext.func1",), "signal-notify"),
        (("database/sql.(*Rows).awaitDone",), "sql-rows"),
        (("database/sql.(*Tx).awaitDone",), "sql-tx"),
        (("database/sql.(*DB).connectionOpener",), "sql-db"),
        (("database/sql.(*DB).conn", "database/sql.(*DB).QueryContext", "main.f"), "sql-pool"),
        (("google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run",), "grpc-conn"),
        (("google.golang.org/grpc/internal/transport.(*http2Client).reader",), "grpc-conn"),
        (("net/http.(*http2clientConnReadLoop).run", "net/http.(*http2ClientConn).readLoop"), "http2-conn"),
        (("github.com/gorilla/websocket.(*Conn).NextReader", "main.(*client).readPump"), "websocket"),
        (("github.com/fsnotify/fsnotify.(*inotify).readEvents",), "fsnotify"),
        (("k8s.io/apimachinery/pkg/watch.(*StreamWatcher).receive",), "watch-loop"),
        (("sync.(*WaitGroup).Wait", "golang.org/x/sync/singleflight.(*Group).Do", "main.f"), "singleflight"),
    ],
)
def test_a_library_on_the_stack_says_what_was_not_closed(functions: tuple[str, ...], expected: str) -> None:
    assert cause(group("select", *functions)).name == expected


@pytest.mark.parametrize(("made_in", "expected"), [("NewHTTP2Client", "grpc-conn"), ("NewServerTransport", "select")])
def test_of_both_sides_of_a_grpc_connection_only_the_client_is_not_closed(made_in: str, expected: str) -> None:
    transport = "google.golang.org/grpc/internal/transport"
    site = Site("build", 1, f"{transport}.{made_in}", "http2.go", 1, f"{transport}.{made_in}.func1")
    by = Frame(site.function, site.file, site.line)
    stack = (f"{transport}.(*controlBuffer).get", f"{transport}.(*loopyWriter).run", site.start_function)
    assert cause(group("select", *stack, by=by), site=site).name == expected


def test_what_a_timer_started_is_judged_by_a_lock_that_it_waits_for() -> None:
    site = Site("build", 1, "time.goFunc", "sleep.go", 1, "time.goFunc")
    by = Frame(site.function, site.file, site.line)
    assert cause(group("sync.Mutex.Lock", "sync.(*Mutex).Lock", "main.onTimeout", by=by), site=site).name == "lock"
    assert cause(group("chan send", "main.onTimeout", by=by), site=site).name == "timer"


def test_silent_peers_are_no_overload_until_others_are_seen_to_be_served() -> None:
    silent = GoroutineProfile("debug=2", (group("IO wait", "internal/poll.(*FD).Read", "net.(*conn).Read", "main.f"),))
    assert classify(SITE, silent, growth(100, 50)).name == "io"
    assert classify(SITE, silent, growth(100, 50), served=True).name == "unbounded-go"


HELPER = Site("build", 1, "main.Go", "main.go", 42, "main.refreshCache")
HELPED = Frame("main.Go", "main.go", 42)


def test_the_remedy_names_the_function_that_waits_and_not_the_one_that_was_started_first() -> None:
    waiting = group("sync.Mutex.Lock", "sync.(*Mutex).Lock", "main.tailFile", "main.Go.func1", by=HELPED)
    found = cause(waiting, group("sleep", "time.Sleep", "main.refreshCache", by=HELPED, count=2), site=HELPER)
    assert found.waits_in == "main.tailFile"
    assert "main.tailFile" in remedy(found, HELPER)
    assert [(work.function, work.goroutines, work.cause) for work in found.works] == [
        ("main.tailFile", 10, "lock"),
        ("main.refreshCache", 2, "sleep-loop"),
    ]


def test_of_two_functions_that_one_helper_starts_the_one_with_more_goroutines_gives_the_cause() -> None:
    locked = group("sync.Mutex.Lock", "sync.(*Mutex).Lock", "main.tailFile", by=HELPED, count=11)
    asleep = group("chan send", "main.refreshCache", by=HELPED, count=9)
    assert cause(locked, asleep, site=HELPER).name == "lock"


def test_a_function_of_the_program_is_named_rather_than_a_library_s() -> None:
    frames = (
        Frame("sync.(*Mutex).Lock", "sync/mutex.go", 1),
        Frame("example.com/lib.(*Pool).Get", "example.com/lib@v1.2.3/pool.go", 7),
        Frame("example.com/app/store.Load", "/src/app/store/load.go", 9),
        Frame("main.main.func1", "/src/app/main.go", 3),
    )
    assert cause(GoroutineGroup(10, frames, BY, "sync.Mutex.Lock")).waits_in == "example.com/app/store.Load"


def test_a_statement_of_the_standard_library_is_nowhere_to_put_a_semaphore() -> None:
    site = Site("build", 1, "os/exec.(*Cmd).Start", "os/exec/exec.go", 767, "os/exec.(*Cmd).Start.func2")
    by = Frame(site.function, site.file, site.line)
    found = cause(group("sleep", "time.Sleep", "main.f", by=by), site=site, seen=growth(100, 50))
    assert found.name == "unbounded-go"
    assert "before each call of os/exec.(*Cmd).Start" in remedy(found, site)


def test_goroutines_whose_stacks_were_not_read_are_judged_by_those_of_their_state() -> None:
    found = cause(
        group("chan receive", count=900),
        group("chan receive, for a context", "runtime.chanrecv1", "main.serve.func1", count=60),
        group("running", count=5),
    )
    assert found.name == "context"
    assert [(count, [frame.function for frame in frames]) for count, frames in found.stacks] == [
        (60, ["runtime.chanrecv1", "main.serve.func1"]),
        (5, []),
    ]
    assert dict(found.states)["chan receive"] == 900
    assert found.reason.startswith("of 965 goroutines: ")
