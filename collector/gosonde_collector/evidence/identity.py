"""Whether a profile can be of the program that a process runs."""

from collections.abc import Iterable
from typing import Final

from gosonde_collector.evidence.model import WITH_STATEMENT, Frame, GoroutineProfile, as_reported
from gosonde_collector.evidence.names import is_standard, plain_name
from gosonde_collector.evidence.parse import Profile
from gosonde_collector.model.errors import ProfileError, Refusal
from gosonde_collector.model.values import Site, SiteTotal

#: So many live goroutines of the program's own `go` statements must show in every goroutine profile of it.
MUST_SHOW: Final = 20


def check_program(profile: Profile, sites: Iterable[Site]) -> None:
    """Holds the functions of a profile against those that contain the process's `go` statements.

    A linker takes each function from one file. A `//line` directive may name others, so that the majority counts. The
    standard library's functions stand in the same files in every program, and say nothing when there are others.

    Raises:
        ProfileError: Most functions that both have stand in other files: another program, or another build of it.
    """
    known = {site.function: site.file for site in sites if site.function and site.file}
    shown = {(frame.function, frame.file) for stack in profile.stacks for frame in stack if frame.file}
    if isinstance(profile, GoroutineProfile):
        shown |= {(by.function, by.file) for by in _statements(profile)}
    both = {(function, file) for function, file in shown if function in known}
    both = {(function, file) for function, file in both if not is_standard(function)} or both
    strange = sorted((name, file) for name, file in both if known[name] != as_reported(file, known[name]))
    if 2 * len(strange) > len(both):
        function, file = strange[0]
        raise ProfileError(
            f"the profile is of another program, or of another build: it has {function} in {file}, and this process "
            f"has it in {known[function]}",
            Refusal.MISMATCHED,
        )


def check_goroutines(profile: Profile, totals: Iterable[SiteTotal]) -> None:
    """Holds who made the goroutines of a profile against the process's own `go` statements, as far as both say.

    Raises:
        ProfileError: The program's own statements have live goroutines, and the profile shows only those of others.
    """
    own = [total for total in totals if total.site.function and not is_standard(total.site.function)]
    live = sum(max(total.baseline + total.created - total.exited, 0) for total in own)
    if not isinstance(profile, GoroutineProfile) or live < MUST_SHOW:
        return
    if profile.format in WITH_STATEMENT:
        known, shown = {total.site.function for total in own}, {by.function for by in _statements(profile)}
    else:
        known = {total.site.start_function for total in own if total.site.start_function}
        shown = {group.frames[-1].function for group in profile.groups if group.frames}
    others = sorted(name for name in shown if not is_standard(name) and name != "main.main")
    if known and others and not {plain_name(name) for name in known} & {plain_name(name) for name in shown}:
        raise ProfileError(
            f"the profile is of another program: its goroutines are those of {others[0]}, and the {live} of this "
            f"process are those of {min(known)}",
            Refusal.MISMATCHED,
        )


def _statements(profile: GoroutineProfile) -> set[Frame]:
    return {group.created_by for group in profile.groups if group.created_by}
