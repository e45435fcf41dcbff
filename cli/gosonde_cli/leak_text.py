"""A verdict on leaks in lines that fit."""

from collections.abc import Iterator
from typing import Final

from gosonde_cli.age_text import age_lines
from gosonde_cli.leak_report import LeakReport, LeakSite
from gosonde_cli.rendering import counted, duration, size
from gosonde_cli.wrapping import Line, fitted

INDENT: Final = " " * 11
#: Statements, and ways by which goroutines are held, that are shown to people, the largest first.
SITES: Final = 20
HOLDERS: Final = 3
#: Of statements that nothing speaks against, those that have so many goroutines are shown with who holds them.
MANY: Final = 10


def verdict(report: LeakReport, width: int = 80, most: int = SITES) -> Iterator[str]:
    """The process, what was found, then at most so many statements, in so many columns; 0 for whole lines."""
    return fitted(_verdict(report, most), width)


def _verdict(report: LeakReport, most: int) -> Iterator[Line | str]:
    process = report.process
    yield Line(f"{process.exe} (pid {process.pid}), {process.go_version}", "  ")
    yield Line(headline(report), "  ")
    if not report.decided:
        yield Line(f"not decided: {report.why}", "  ")
    accused = [site for site in report.sites if site.proved or site.probable or site.evidence]
    held = [site for site in report.sites if site not in accused and site.held_by and site.live >= MANY]
    for site in accused[:most]:
        yield ""
        yield from _site(site)
    if len(accused) > most:
        yield Line(f"and {counted(len(accused) - most, 'more statement')}: --limit N shows more", INDENT)
    if held:
        yield from ("", "Not leaked as far as memory shows: held by something alive")
    for site in held[:most]:
        yield from _head(site, site.live)
        yield from _holders(site)
    if len(held) > most:
        yield Line(f"and {counted(len(held) - most, 'more statement')}: --limit N shows more", INDENT)


def headline(report: LeakReport) -> str:
    """The verdict in a sentence."""
    by = f"after {counted(report.scans, 'scan')} of its memory"
    if report.proved:
        more = f", and {report.probable:,} more very probably leaked" if report.probable else ""
        return f"{counted(report.proved, 'goroutine')} can never run again (proved {by}){more}"
    if report.probable:
        return f"no leak is proved {by}; {counted(report.probable, 'goroutine')} very probably leaked"
    if any(site.evidence for site in report.sites):
        return f"no leak is proved {by}, but some goroutines become more; it is too early to know whether they stay"
    return f"no leak is proved or suspected {by}"


def _site(site: LeakSite) -> Iterator[Line | str]:
    yield from _head(site, site.proved or site.probable or site.live)
    found = [f"{site.live:,} live", f"{site.proved:,} proved"]
    found += [f"{site.probable:,} probable"] if site.probable else []
    found += [f"oldest wait {duration(site.oldest_wait_ns)}"] if site.oldest_wait_ns else []
    yield Line(f"{INDENT}{', '.join(found)}", INDENT)
    for sentence in site.evidence:
        yield Line(f"{INDENT}{sentence}", INDENT)
    if site.proved:
        yield Line(f"{INDENT}retained: {_retained(site)}", INDENT)
    if lines := age_lines(site.ages):
        yield f"{INDENT}ages, from"
        yield from (f"{INDENT}{line}" for line in lines)
    yield from _holders(site)
    yield Line(f"{INDENT}cause {site.cause}", INDENT)
    if site.remedy:
        yield Line(f"{INDENT}→ {site.remedy}", f"{INDENT}  ")


def _head(site: LeakSite, number: int) -> Iterator[Line | str]:
    yield Line(f"{number:>9,}  {site.function or 'a statement that is not named'}", INDENT)
    if site.file:
        yield Line(f"{INDENT}{site.file}:{site.line}", INDENT)
    if site.start_function:
        yield Line(f"{INDENT}starts {site.start_function}", INDENT)


def _holders(site: LeakSite) -> Iterator[Line | str]:
    for holder in site.held_by[:HOLDERS]:
        yield Line(f"{INDENT}{holder.goroutines:,} held by {' → '.join(holder.path)}", f"{INDENT}  ")
    if len(site.held_by) > HOLDERS:
        yield Line(f"{INDENT}and by {len(site.held_by) - HOLDERS:,} more; --json shows all of them", INDENT)


def _retained(site: LeakSite) -> str:
    bytes_ = site.retained_heap_bytes
    heap = "heap not worked out" if bytes_ is None else f"heap {size(bytes_)} or more"
    return f"stacks {size(site.retained_stack_bytes)}, {heap}"
