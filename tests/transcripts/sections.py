"""What docs/transcripts.md shows: a section for each command, in the order of `gosonde --help`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from tests.transcripts import likeness


class When(IntEnum):
    """The moments of the scene, in their order."""

    STARTED = 0  #: the programs run, and the collector and the agent start
    RUNNING = 1  #: these count, and many goroutines have leaked
    COUNTED = 2  #: the collector knows some GC cycles and parks
    LEAKING = 3  #: it has found the leak, and memory agrees
    AGREED = 4  #: it has a profile and a gctrace log beside
    LAST = 5
    STOPPED = 6  #: the collector and the agent have ended


@dataclass(frozen=True)
class Line:
    """A command line with what it prints.

    Attributes:
        typed: With `{finding}` for the finding's id.
        once: Whether it would print something else a second time.
        window: Whether it draws in a window of 24 lines until it is left; else it ends by itself.
        has: What has to stand in its output; it is run again until that is so.
        compared: What of its output is the same on every host.
    """

    typed: str
    when: When = When.RUNNING
    once: bool = False
    window: bool = False
    has: tuple[str, ...] = ()
    compared: Callable[[str], str] = str


@dataclass(frozen=True)
class Section:
    """A command: what stands above its transcripts, and their lines."""

    command: str
    says: str
    lines: tuple[Line, ...]


#: What `agent.toml` has.
CONFIG: Final = """\
collector = ["127.0.0.1:9317"]
exe = ["/srv/shop/tickets"]
park = true
max_agent_cpu = 20.0
max_target_overhead = "off"
"""
#: They run for the whole scene, and print their logs.
COLLECTOR: Final = Line("gosonde collector", When.STOPPED, once=True, compared=likeness.events)
AGENT: Final = Line("gosonde agent --config agent.toml", When.STOPPED, once=True, compared=likeness.events)

SECTIONS: Final = (
    Section("gosonde", "All commands.", (Line("gosonde --help", When.STARTED),)),
    Section(
        "gosonde ps",
        "Which Go processes run here, how many goroutines each has and makes.",
        (Line("gosonde ps --exe '/srv/shop/*'", compared=likeness.table_alone),),
    ),
    Section(
        "gosonde trace",
        "Counts one process for ten seconds, and says what looks like a leak.",
        (
            Line(
                "gosonde trace tickets",
                has=("main.leak  /srv", "cause channel-receive"),
                compared=likeness.own_rows,
            ),
        ),
    ),
    Section(
        "gosonde top",
        "A moment of it, in a window of 24 lines.",
        (Line("gosonde top tickets", window=True, has=("chan receive", "% of its CPU", "main.healthy")),),
    ),
    Section(
        "gosonde check",
        "Fails when goroutines leak.",
        (Line("gosonde check gateway", When.STARTED, has=("can never run again",)),),
    ),
    Section("gosonde agent", "From its start to Ctrl-C. `agent.toml` has:\n\n```toml\n" + CONFIG + "```", (AGENT,)),
    Section(
        "gosonde helper",
        "systemd starts it with a connection; by hand it is of no use.",
        (Line("gosonde helper", When.STARTED),),
    ),
    Section("gosonde collector", "From its start to Ctrl-C.", (COLLECTOR,)),
    Section(
        "gosonde doctor",
        "Of a host, and of the way to a collector.",
        (
            Line("gosonde doctor", When.STARTED, compared=likeness.beginnings),
            Line("gosonde doctor --collector 127.0.0.1:9317", When.COUNTED),
        ),
    ),
    Section(
        "gosonde inspect",
        "What is known of a binary, and why its probes are safe.",
        (Line("gosonde inspect tickets", compared=likeness.until("sources that can watch it")),),
    ),
    Section(
        "gosonde goroutines",
        "The largest groups of goroutines, with their stacks.",
        (
            Line(
                "gosonde goroutines gateway --limit 2",
                When.STARTED,
                has=("created by main.handler", "# main goroutine"),
            ),
        ),
    ),
    Section(
        "gosonde timers",
        "Timers that have not fired yet, and who waits for them.",
        (Line("gosonde timers tickets", When.STARTED, compared=likeness.pending("time.sendTime")),),
    ),
    Section(
        "gosonde contexts",
        "Contexts that are not cancelled, and who can cancel them.",
        (Line("gosonde contexts gateway", When.STARTED, compared=likeness.of_server),),
    ),
    Section(
        "gosonde http",
        "HTTP connections, here of a service to itself.",
        (Line("gosonde http gateway", When.STARTED, compared=likeness.of_client),),
    ),
    Section(
        "gosonde leaks",
        "What is proved to have leaked, and who holds the rest.",
        (Line("gosonde leaks gateway", When.STARTED, has=("can never run again", "none exited")),),
    ),
    Section(
        "gosonde probes off",
        "The agent detaches its probes from every program.",
        (Line("gosonde probes off", When.LAST),),
    ),
    Section("gosonde probes on", "And attaches them again.", (Line("gosonde probes on", When.LAST),)),
    Section(
        "gosonde findings",
        "All that leaks, and one finding with all its evidence.",
        (
            Line("gosonde findings", When.AGREED),
            Line("gosonde findings --explain {finding}", When.AGREED),
        ),
    ),
    Section("gosonde processes", "What the collector knows of processes.", (Line("gosonde processes", When.COUNTED),)),
    Section("gosonde sites", "What it knows of each `go` statement.", (Line("gosonde sites", When.COUNTED),)),
    Section(
        "gosonde gc",
        "What the collector knows, and what the process itself holds.",
        (
            Line("gosonde gc", When.COUNTED, compared=likeness.known_heaps),
            Line("gosonde gc tickets --here", When.COUNTED),
        ),
    ),
    Section(
        "gosonde parks",
        "How often goroutines parked, and what for.",
        (Line("gosonde parks", When.COUNTED, compared=likeness.row_of("chan receive")),),
    ),
    Section(
        "gosonde audit",
        "Who has changed what is probed, pulled or reloaded.",
        (
            Line(
                "gosonde audit",
                When.LAST,
                has=("probes-off", "probes-on"),
                compared=likeness.acts,
            ),
        ),
    ),
    Section(
        "gosonde snapshot",
        "The agent reads all goroutines, or searches for leaks, on request.",
        (
            Line("gosonde snapshot tickets", When.LEAKING),
            Line(
                "gosonde snapshot tickets --kind proof",
                When.LEAKING,
                has=("held by",),
                compared=likeness.until("main.main"),
            ),
        ),
    ),
    Section(
        "gosonde pprof push",
        "A profile of the program itself, as a second opinion.",
        (Line("gosonde pprof push goroutine.pb.gz tickets", When.LEAKING, once=True),),
    ),
    Section(
        "gosonde pprof show",
        "What a dump or a profile in a file shows, without a collector.",
        (Line("gosonde pprof show goroutine.txt", When.LEAKING, compared=likeness.large_groups),),
    ),
    Section(
        "gosonde backup",
        "A copy of the store, while the collector runs.",
        (Line("gosonde backup backup.duckdb", When.LAST, once=True),),
    ),
    Section("gosonde store salvage", "Of a store that is not damaged.", (Line("gosonde store salvage", When.STOPPED),)),
    Section(
        "gosonde gctrace push",
        "What the program wrote as it ran with `GODEBUG=gctrace=1`.",
        (Line("gosonde gctrace push tickets.log tickets", When.LEAKING, once=True),),
    ),
)
