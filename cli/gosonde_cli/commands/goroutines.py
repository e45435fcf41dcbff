"""`gosonde goroutines`: every goroutine of a process, now, read from its memory without stopping it unless asked."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gosonde_common
import typer
from gosonde_common.flames.placing import By

from gosonde_cli import here
from gosonde_cli.goroutine_groups import Groups, groups_of
from gosonde_cli.goroutine_json import document, line
from gosonde_cli.goroutine_options import AskedOfGoroutines
from gosonde_cli.goroutine_rows import print_rows, repeated, stacks, watch
from gosonde_cli.goroutine_text import one_by_one
from gosonde_cli.importing import needing, soon
from gosonde_cli.tables.asked import add
from gosonde_cli.writing import write, write_bytes

if TYPE_CHECKING:
    from gosonde_agent.snapshots.stopped import StoppedTarget
    from gosonde_agent.sources.memory.target import Target
    from gosonde_common.values.goroutines import Goroutine, GoroutineColumns

    Found = Iterable[GoroutineColumns]

#: Characters.
PRINTED_AT_ONCE: Final = 1 << 16


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add(app, goroutines, AskedOfGoroutines)


def goroutines(asked: AskedOfGoroutines) -> None:
    """Print every goroutine with its state, age, go statement and stack, without stopping the process unless asked."""
    form, view, _ = asked.form, asked.view, asked.shown
    pid = here.pid_of(asked.which)
    with _opened(pid, is_stopped=asked.stop) as target:
        if asked.watch:
            _watch(asked, lambda: view.of(target.goroutine_columns(asked.max_stacks)))
        elif asked.profile is not None:
            _write_profile(target.goroutines(max_stacks=asked.max_stacks), asked.profile)
        else:
            FORMS[form](view.of(target.goroutine_columns(asked.max_stacks)), asked, _title(pid))


def _watch(asked: AskedOfGoroutines, read: "Callable[[], Found]") -> None:
    if asked.json:
        repeated(lambda: _print(line(read())))
    else:
        watch(lambda: groups_of(read()), asked.shown)


def _print_groups(found: "Found", asked: AskedOfGoroutines, _title: str) -> None:
    groups, shown = groups_of(found), asked.shown
    if shown.by is By.STACK:
        _print(f"{line}\n" for line in shown.lines(groups))
    else:
        print_rows(groups, shown)


def _print_document(found: "Found", _asked: AskedOfGoroutines, _title: str) -> None:
    _print(document(found))


def _print_each(found: "Found", _asked: AskedOfGoroutines, _title: str) -> None:
    _print(one_by_one(found))


def _write_picture(found: "Found", asked: AskedOfGoroutines, title: str) -> None:
    from gosonde_common.flames.svg import flame_graph  # noqa: PLC0415 - text needs none of it
    from gosonde_common.flames.tree import Tree  # noqa: PLC0415

    tree, groups = Tree("all goroutines"), groups_of(found)
    for stack in stacks(groups, asked.grouping):
        tree.add(stack)
    if asked.svg is not None:
        write("--svg", asked.svg, flame_graph(tree, _noted(title, groups), asked.colour))


def _write_speedscope(found: "Found", asked: AskedOfGoroutines, title: str) -> None:
    if asked.speedscope is not None:
        groups = groups_of(found)
        write("--speedscope", asked.speedscope, _profile(groups, asked.grouping, _noted(title, groups)))


#: By the flag that asks for it.
FORMS: "Final[dict[str, Callable[[Found, AskedOfGoroutines, str], None]]]" = {
    "": _print_groups,
    "--json": _print_document,
    "--each": _print_each,
    "--svg": _write_picture,
    "--speedscope": _write_speedscope,
}


def _title(pid: int) -> str:
    return f"goroutines of pid {pid}, {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())}"


def _noted(title: str, groups: Groups) -> str:
    """The title of a picture, with what to know of its numbers."""
    return f"{title}; {note}" if (note := groups.strata.note()) else title


def _profile(groups: Groups, by: By, title: str) -> Iterator[str]:
    from gosonde_common import foreign  # noqa: PLC0415
    from gosonde_common.flames import speedscope  # noqa: PLC0415

    yield foreign.dumps(speedscope.document(stacks(groups, by), title, f"gosonde {gosonde_common.__version__}"))
    yield "\n"


@contextmanager
def _opened(pid: int, *, is_stopped: bool) -> "Iterator[Target | StoppedTarget]":
    with needing("agent"), soon():
        from gosonde_agent.sources.memory.target import opened  # noqa: PLC0415
    with opened(pid) as target:
        yield _stopped(target) if is_stopped else target


def _stopped(target: "Target") -> "StoppedTarget":
    from gosonde_agent.snapshots.stopped import StoppedTarget  # noqa: PLC0415

    return StoppedTarget(target)


def _print(pieces: Iterable[str]) -> None:
    """Writes each piece soon after it was made, but not each by itself."""
    kept: list[str] = []
    size = 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size >= PRINTED_AT_ONCE:
            sys.stdout.write("".join(kept))
            kept.clear()
            size = 0
    sys.stdout.write("".join(kept))


def _write_profile(found: "Iterable[Goroutine]", path: Path) -> None:
    from gosonde_common.wire.profile import encode_profile  # noqa: PLC0415

    write_bytes("--pprof", path, encode_profile(found, time.time_ns(), with_labels=True))
