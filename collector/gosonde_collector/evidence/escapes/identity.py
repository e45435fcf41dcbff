"""Whether an output can be of the program that a process runs."""

from collections.abc import Iterable

from gosonde_collector.evidence.escapes.matching import Missing, Sources
from gosonde_collector.evidence.escapes.model import Escapes
from gosonde_collector.evidence.model import Frame
from gosonde_collector.evidence.names import is_dependency, is_standard
from gosonde_collector.model.errors import ProfileError, Refusal
from gosonde_collector.model.values import Site


def check_escapes(escapes: Escapes, sites: Iterable[Site]) -> None:
    """Holds the output against the program's own `go` statements, as far as any are known.

    Raises:
        ProfileError: None of them, or only the smaller part, is where the output has its function: it is of another
            program, or of other source.
    """
    own = {Frame(one.function, one.file, one.line) for one in sites if one.function and one.file}
    own = {one for one in own if not is_standard(one.function) and not is_dependency(one.file)}
    sources = Sources(escapes)
    missing = {one: found for one in own if isinstance(found := sources.find(one), Missing)}
    known = len(own) - len(missing)
    strange = [one for one, why in missing.items() if why is Missing.FUNCTION]
    if len(strange) > known or (own and not known):
        one = min(strange or missing, key=lambda frame: (frame.file, frame.line))
        raise ProfileError(
            f"the output is of another program, or of other source: {one.function} has a go statement at "
            f"{one.file}:{one.line}, and {missing[one]}",
            Refusal.MISMATCHED,
        )
