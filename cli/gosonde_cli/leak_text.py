"""A verdict on leaks in lines of 80 columns."""

import textwrap
from collections.abc import Iterator
from typing import Final

from gosonde_cli.age_text import age_lines
from gosonde_cli.leak_report import LeakReport, LeakSite
from gosonde_cli.rendering import cell, counted, duration

WIDTH: Final = 80
INDENT: Final = " " * 11
#: Statements, and ways by which goroutines are held, that are shown to people, the largest first.
SITES: Final = 20
HOLDERS: Final = 3
#: Of statements that nothing speaks against, those that have so many goroutines are shown with who holds them.
MANY: Final = 10


def verdict(report: LeakReport) -> Iterator[str]:
    """The process, what was found, then each statement."""
    process = report.process
    yield from _wrapped(f"{process.exe} (pid {process.pid}), {process.go_version}", "  ")
    yield from _wrapped(headline(report), "  ")
    if not report.decided:
        yield from _wrapped(f"not decided: {report.why}", "  ")
    accused = [site for site in report.sites if site.proved or site.probable or site.evidence]
    held = [site for site in report.sites if site not in accused and site.held_by and site.live >= MANY]
    for site in accused[:SITES]:
        yield ""
        yield from _site(site)
    if len(accused) > SITES:
        yield from _wrapped(f"and {len(accused) - SITES:,} more; --json shows all of them")
    if held:
        yield from ("", "Held by what is alive")
    for site in held[:SITES]:
        yield from _head(site, site.live)
        yield from _holders(site)


def headline(report: LeakReport) -> str:
    """The verdict in a sentence."""
    by = f"after {counted(report.scans, 'scan')} of its memory"
    if report.proved:
        more = f", and {report.probable:,} more very probably leaked" if report.probable else ""
        return f"{counted(report.proved, 'goroutine')} can never run again (proved {by}){more}"
    if report.probable:
        return f"nothing is proved {by}; {counted(report.probable, 'goroutine')} very probably leaked"
    if any(site.evidence for site in report.sites):
        return f"nothing is proved {by}; some grow, and it is not known whether they stay"
    return f"nothing is proved {by}, nothing looks like it"


def _site(site: LeakSite) -> Iterator[str]:
    yield from _head(site, site.proved or site.probable or site.live)
    found = [f"{site.live:,} live", f"{site.proved:,} proved"]
    found += [f"{site.probable:,} probable"] if site.probable else []
    found += [f"oldest wait {duration(site.oldest_wait_ns)}"] if site.oldest_wait_ns else []
    yield from _wrapped(f"{INDENT}{', '.join(found)}")
    for sentence in site.evidence:
        yield from _wrapped(f"{INDENT}{sentence}")
    if site.proved:
        yield from _wrapped(f"{INDENT}retained: {_retained(site)}")
    if lines := age_lines(site.ages):
        yield f"{INDENT}ages, from"
        yield from (f"{INDENT}{line}" for line in lines)
    yield from _holders(site)
    yield from _wrapped(f"{INDENT}cause {site.cause}")
    if site.remedy:
        yield from _wrapped(f"{INDENT}→ {site.remedy}", f"{INDENT}  ")


def _head(site: LeakSite, number: int) -> Iterator[str]:
    yield from _wrapped(f"{number:>9,}  {site.function or 'a statement that is not named'}")
    if site.file:
        yield from _wrapped(f"{INDENT}{site.file}:{site.line}")
    if site.start_function:
        yield from _wrapped(f"{INDENT}starts {site.start_function}")


def _holders(site: LeakSite) -> Iterator[str]:
    for holder in site.held_by[:HOLDERS]:
        yield from _wrapped(f"{INDENT}{holder.goroutines:,} held by {' → '.join(holder.path)}", f"{INDENT}  ")
    if len(site.held_by) > HOLDERS:
        yield from _wrapped(f"{INDENT}and by {len(site.held_by) - HOLDERS:,} more; --json shows all of them")


def _retained(site: LeakSite) -> str:
    bytes_ = site.retained_heap_bytes
    heap = "heap not worked out" if bytes_ is None else f"heap {_size(bytes_)} or more"
    return f"stacks {_size(site.retained_stack_bytes)}, {heap}"


def _size(number: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number:,} bytes"


def _wrapped(text: str, indent: str = INDENT) -> list[str]:
    return textwrap.wrap(cell(text), WIDTH, subsequent_indent=indent, break_on_hyphens=False)
