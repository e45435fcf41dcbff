"""Programs that nobody is proved to be lost in, or of which it is known who is: what proofs are held against."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.target import Target

from tests import labelled_programs, real_servers
from tests.go_programs import GoProgram, build
from tests.go_sites import sites_of
from tests.proof_recall import leaked_goids

#: Of the goroutines that were proved, a row each, those that are not lost, as the program itself knows.
Judge = Callable[[Target, Goroutines], set[int]]
#: (name, arguments, `go` statements whose goroutines are lost) by the markers in their sources.
ADVERSARIES: Sequence[tuple[str, tuple[str, ...], frozenset[str]]] = (
    ("reach/channels", (), frozenset({"receive", "send", "select", "nil", "for-ever", "each-other"})),
    ("reach/locks", (), frozenset({"mutex", "read-lock", "write-lock", "group", "cond"})),
    ("reach/finalizers", (), frozenset({"without"})),
    ("reach/weak", (), frozenset({"lost"})),
    ("reach/timers", (), frozenset({"lost"})),
    ("reach/main_rests", (), frozenset({"lost", "only-main-knows"})),
    ("reach/hidden", (), frozenset()),
    ("reach/replies", ("40",), frozenset()),
    ("reach/passed", ("30",), frozenset()),
    ("reach/registers", ("1", "100000"), frozenset()),
    ("reach/swapping", ("500",), frozenset()),
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One program.

    Attributes:
        run: Runs it: (its pid, who says which proofs are wrong).
    """

    name: str
    run: Callable[[], AbstractContextManager[tuple[int, Judge]]]


def subjects() -> list[Subject]:
    """All of them: the healthy programs, the adversaries, and servers that nobody here wrote."""
    healthy = [Subject(label.name, _healthy(label.name)) for label in labelled_programs.healthy()]
    hard = [Subject(name, _adversary(name, arguments, lost)) for name, arguments, lost in ADVERSARIES]
    servers = {"prometheus": real_servers.used_prometheus, "etcd": real_servers.used_etcd}
    return [*healthy, *hard, *(Subject(f"{name} of Debian", _server(run)) for name, run in servers.items())]


def _healthy(name: str) -> Callable[[], AbstractContextManager[tuple[int, Judge]]]:
    """Who is not in the runtime's own profile of leaked goroutines is not lost."""

    @contextmanager
    def run() -> Iterator[tuple[int, Judge]]:
        with GoProgram(build(name)) as program:
            yield program.pid, lambda _, proved: set(proved.goid.tolist()) - leaked_goids(program)

    return run


def _adversary(
    name: str, arguments: Iterable[str], lost: frozenset[str]
) -> Callable[[], AbstractContextManager[tuple[int, Judge]]]:
    """Who was made by another `go` statement than those that lose them is not lost."""

    def judge(target: Target, proved: Goroutines) -> set[int]:
        sites = sites_of(target, proved, name)
        return {goid for goid, site in zip(proved.goid.tolist(), sites, strict=True) if site not in lost}

    @contextmanager
    def run() -> Iterator[tuple[int, Judge]]:
        with GoProgram(build(name), *arguments) as program:
            yield program.pid, judge

    return run


def _server(
    start: Callable[[Path], AbstractContextManager[int]],
) -> Callable[[], AbstractContextManager[tuple[int, Judge]]]:
    """They are old versions of Go, which have no such profile; only who moves later is known not to be lost."""

    @contextmanager
    def run() -> Iterator[tuple[int, Judge]]:
        with tempfile.TemporaryDirectory() as folder, start(Path(folder)) as pid:
            yield pid, lambda _target, _proved: set()

    return run
