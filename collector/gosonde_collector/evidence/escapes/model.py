"""What the compiler decided about values, as plain values."""

from dataclasses import dataclass
from typing import Final

#: What a value is: of an expression, a variable, or what a parameter points to, which the caller has made.
EXPRESSION, VARIABLE, PARAMETER = "expression", "variable", "parameter"
#: The package of a line above which no package is named.
UNNAMED: Final = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A value that escapes to the heap.

    Attributes:
        package: Import path, as the line `# package` above it names it.
        file: As the compiler writes it: an absolute path, one from the folder of the build, or a name by -trimpath.
        line: From 1.
        column: From 1; 0 where the compiler leaves it out.
        kind: EXPRESSION, VARIABLE or PARAMETER.
        name: The expression or the name, shortened by the compiler itself, such as `&job{...}`.
        why: In a few words; empty where the output does not say it.
        function: In which it is, named as in Function; empty where the output does not say it (before Go 1.25).
        inlined: Functions that the compiler inlined at this place: the value may be of one of them.
    """

    package: str
    file: str
    line: int
    column: int
    kind: str
    name: str
    why: str = ""
    function: str = ""
    inlined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """A function or closure of the source, and where it begins; its name has no package and no type arguments."""

    package: str
    file: str
    line: int
    name: str


@dataclass(frozen=True, slots=True)
class Escapes:
    """The output of one build, or what is kept of it.

    Attributes:
        values: In the order of the output, each once.
        functions: As `values`.
        is_detailed: It was written with `-m -m`: it has reasons, and names every function.
        kept_on_stack: Values that do not escape.
        foreign: Lines about values and functions of the standard library and of dependencies, which are not kept.
        passed_over: Lines that are nothing that the compiler says of escapes or of inlining, are no text, too long, or
            torn.
        left_out: Values and functions for which there was no room.
        is_cut: The last line has no end.
    """

    values: tuple[Value, ...] = ()
    functions: tuple[Function, ...] = ()
    is_detailed: bool = False
    kept_on_stack: int = 0
    foreign: int = 0
    passed_over: int = 0
    left_out: int = 0
    is_cut: bool = False

    @property
    def packages(self) -> int:
        """How many packages the output is of."""
        return len({value.package for value in self.values} | {function.package for function in self.functions})
