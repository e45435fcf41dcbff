"""Findings whose counts grow together and whose stacks meet are one story; others stay apart."""

from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.stories import leads
from gosonde_collector.evidence.model import Frame
from gosonde_collector.model.values import ProcessKey, Site

GRPC = "google.golang.org/grpc"
IN_CACHE = "google.golang.org/grpc@v1.80.0/clientconn.go"


def found(name: str, made_in: str, *stack: str, live: int = 100, file: str = "main.go", pid: int = 7) -> Finding:
    process = ProcessKey("boot", pid, 100, 0)
    frames = tuple(Frame(function, file, 1) for function in stack)
    return Finding(
        id=name, state="growing", confidence=0.8, cause="select", remedy="", host="web", process=process,
        exe="/srv/app", site=Site("build", 1, made_in, file, 1, stack[-1]), live=live, growth_per_second=1.0,
        first_seen_unix_nano=1,
        opened_unix_nano=1, grew_unix_nano=1, window_s=60, base=0, peak=live, grown_confidence=0.8, witnesses=(),
        stacks=((live, frames),),
    )  # fmt: skip


def connection() -> list[Finding]:
    """Three statements of one library, of which one starts twice as many goroutines as the others."""
    return [
        found("reader", f"{GRPC}/internal/transport.NewHTTP2Client", f"{GRPC}.reader", live=100, file=IN_CACHE),
        found("writer", f"{GRPC}/internal/transport.NewHTTP2Client", f"{GRPC}.writer", live=98, file=IN_CACHE),
        found("serializer", f"{GRPC}/internal/grpcsync.New", f"{GRPC}.run", live=201, file=IN_CACHE),
    ]


def test_the_goroutines_of_one_connection_are_one_story_with_the_most_goroutines_first() -> None:
    assert leads(connection()) == {"reader": "serializer", "writer": "serializer"}


def test_what_grows_at_another_rate_is_another_story() -> None:
    slow = found("slow", f"{GRPC}.NewClient", f"{GRPC}.watch", live=37, file=IN_CACHE)
    assert "slow" not in leads([*connection(), slow])


def test_what_runs_the_statement_and_what_it_starts_are_one_story() -> None:
    outer = found("outer", "main.main", "main.handle.func1", "main.handle")
    inner = found("inner", "main.handle", "main.work")
    assert leads([inner, outer]) == {"inner": "outer"} or leads([inner, outer]) == {"outer": "inner"}


def test_the_program_s_own_statement_leads_the_library_s() -> None:
    own = found("own", "main.main", "os/exec.(*Cmd).Wait", "main.run", live=99)
    copier = found("copier", "os/exec.(*Cmd).Start", "io.Copy", "os/exec.(*Cmd).Start.func2", file="os/exec/exec.go")
    assert leads([copier, own]) == {"copier": "own"}


def test_two_leaks_of_the_program_itself_stay_apart_though_they_grow_alike() -> None:
    assert leads([found("one", "main.a", "main.x"), found("other", "main.b", "main.y")]) == {}


def test_processes_stay_apart() -> None:
    one, other = (found(str(pid), "main.main", "main.f", pid=pid) for pid in (7, 8))
    assert leads([one, other]) == {}
