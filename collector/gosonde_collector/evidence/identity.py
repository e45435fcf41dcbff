"""Whether a profile can be of the program that a process runs."""

from collections.abc import Iterable

from gosonde_collector.evidence.model import GoroutineProfile, as_reported
from gosonde_collector.evidence.parse import Profile
from gosonde_collector.model.errors import ProfileError, Refusal
from gosonde_collector.model.values import Site


def check_program(profile: Profile, sites: Iterable[Site]) -> None:
    """Holds the functions of a profile against those that contain the process's `go` statements.

    A linker takes each function from one file. A `//line` directive may name others, so that the majority counts.

    Raises:
        ProfileError: Most functions that both have stand in other files: another program, or another build of it.
    """
    known = {site.function: site.file for site in sites if site.function and site.file}
    shown = {(frame.function, frame.file) for stack in profile.stacks for frame in stack if frame.file}
    if isinstance(profile, GoroutineProfile):
        shown |= {(group.created_by.function, group.created_by.file) for group in profile.groups if group.created_by}
    both = {(function, file) for function, file in shown if function in known}
    strange = sorted((name, file) for name, file in both if known[name] != as_reported(file, known[name]))
    if 2 * len(strange) > len(both):
        function, file = strange[0]
        raise ProfileError(
            f"the profile is of another program, or of another build: it has {function} in {file}, and this process "
            f"has it in {known[function]}",
            Refusal.MISMATCHED,
        )
