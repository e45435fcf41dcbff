"""Which goroutines of a snapshot are shown, and how: filters of `gosonde goroutines` that what is stored can answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from gosonde_common.durations import seconds
from gosonde_common.errors import InvalidInputError, UsageError
from gosonde_common.flames.colours import ColourBy
from gosonde_common.flames.placing import By
from gosonde_common.flames.view import StackView

from gosonde_collector.analysis.looked_at import Looked, Looking, names
from gosonde_collector.evidence.model import WITH_STATEMENT, GoroutineProfile
from gosonde_collector.store.expressions import Expression

#: Characters of a filter.
LONGEST: Final = 256
MOST_DEPTH: Final = 10_000
MOST_WAIT_SECONDS: Final = 1e6 * 3600
TEXTS: Final = ("function", "state", "min_wait", "focus", "ignore", "hide")
Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Filters:
    """As the options of the command are called; "" and 0 let all through.

    Attributes:
        by: What stands above the stacks of a flame graph.
        color: What its colours say; None where nobody has chosen.
    """

    function: str = ""
    state: str = ""
    min_wait: str = ""
    focus: str = ""
    ignore: str = ""
    hide: str = ""
    max_depth: int = 0
    runtime: bool = False
    by: By = By.STACK
    color: ColourBy | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filters":
        """From the query of an address.

        Raises:
            InvalidInputError: A filter is none that there is, or one that no stored snapshot can answer.
        """
        if query.get("label") or query.get("by") == By.LABEL:
            raise InvalidInputError(
                "label: stored snapshots have no labels; gosonde goroutines --label reads them on the process's host"
            )
        texts: dict[str, Any] = {name: query.get(name, "") for name in TEXTS}
        for name, text in texts.items():
            if len(text) > LONGEST:
                raise InvalidInputError(f"{name}: a filter has at most {LONGEST} characters")
        color = query.get("color", "")
        return cls(
            **texts,
            max_depth=_depth(query.get("max_depth", "")),
            runtime=query.get("runtime", "") not in ("", "0"),
            by=_choice("by", By, query.get("by") or By.STACK),
            color=_choice("color", ColourBy, color) if color else None,
        )

    def colour(self, profile: GoroutineProfile) -> ColourBy:
        """What the colours of its flame graph say, chosen or not."""
        return self.color or (ColourBy.STATE if profile.format in WITH_STATEMENT else ColourBy.COUNT)

    def looked_at(self, *profiles: GoroutineProfile) -> list[Looked]:
        """What they let through, of each of the profiles.

        Raises:
            InvalidInputError: One of them cannot be answered by one of the profiles.
        """
        for profile in profiles:
            self._check(profile)
        if len(profiles) > 1 and self.color:
            raise InvalidInputError("color: the colours of two snapshots say what changed")
        wait_ns = round(self._wait_seconds() * 1e9)
        known = set().union(*map(names, profiles)) if self.focus or self.ignore or self.hide else set()
        view = StackView(
            focus=Expression("focus", self.focus, known) if self.focus else None,
            ignore=Expression("ignore", self.ignore, known) if self.ignore else None,
            hide=Expression("hide", self.hide, known) if self.hide else None,
            max_depth=self.max_depth,
            function=self.function,
            state=self.state,
            runtime=self.runtime,
        )
        looking = Looking(view, wait_ns)
        found = [looking.at(profile) for profile in profiles]
        if len(found) > 1 and view.by_stack and any(one.strata.is_sampled for one in found):
            raise InvalidInputError(
                "focus and ignore: not all stacks of the snapshots were read, and those of two samples are not compared"
            )
        return found

    def query(self) -> str:
        """As the query of an address has them, without those that let all through."""
        given = {name: getattr(self, name) for name in (*TEXTS, "max_depth")}
        given |= {"runtime": self.runtime and "1", "by": self.by is not By.STACK and self.by, "color": self.color}
        return urlencode({name: value for name, value in given.items() if value})

    def _check(self, profile: GoroutineProfile) -> None:
        if profile.format in WITH_STATEMENT:
            return
        wanted = [name for name in ("function", "state", "min_wait") if getattr(self, name)]
        wanted += ["by"] if self.by is not By.STACK else []
        wanted += ["color"] if self.color not in (None, ColourBy.COUNT) else []
        if wanted:
            raise InvalidInputError(
                f"{wanted[0]}: a profile of the format {profile.format} names no states, waits and go statements; "
                "snapshots from memory do"
            )

    def _wait_seconds(self) -> float:
        try:
            return seconds("min_wait", self.min_wait, MOST_WAIT_SECONDS) if self.min_wait else 0.0
        except UsageError as error:
            raise InvalidInputError(str(error)) from error


def _depth(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_DEPTH)) and int(text) <= MOST_DEPTH):
        raise InvalidInputError(f"max_depth: a number from 0 to {MOST_DEPTH}")
    return int(text)


def _choice(name: str, kind: type[Choice], text: str) -> Choice:
    try:
        return kind(text)
    except ValueError as error:
        raise InvalidInputError(f"{name}: one of {', '.join(kind)}") from error
