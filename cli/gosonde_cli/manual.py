"""Manual pages, from the same texts as `--help`: one of gosonde, and one of each command."""

import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import typer
from gosonde_common import __version__
from typer.core import TyperGroup

#: What exit codes mean, as docs/errors.md has them, and which `gosonde check` has beside them.
EXITS: Final = {
    "0": "Done.",
    "1": "Failed: the message says why.",
    "2": "Wrong usage.",
    "3": "Not permitted, or not supported here.",
}
CHECK_EXITS: Final = {"1": "Goroutines leak.", "4": "The command that it ran failed.", "5": "It could not be checked."}


def pages(app: typer.Typer) -> Iterator[tuple[str, str]]:
    """Names of pages, such as gosonde-trace, and each as text for man(1)."""
    yield from _pages(typer.main.get_command(app), ("gosonde",))


def _pages(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - of typer's own click
    yield "-".join(words), page(command, words)
    for name, inner in _commands(command).items():
        yield from _pages(inner, (*words, name))


def page(command: Any, words: tuple[str, ...]) -> str:  # noqa: ANN401
    """One page."""
    help_text = inspect.cleandoc(command.help or "")
    name = "-".join(words)
    lines = [
        f'.TH {quoted(name.upper())} 1 "" "gosonde {__version__}" "gosonde"',
        *(".SH NAME", f"{escaped(name)} \\- {escaped(_first(command))}"),
        *(".SH SYNOPSIS", f".B {escaped(' '.join(words))}", _synopsis(command)),
        *(".SH DESCRIPTION", *_paragraphs(help_text)),
        *_section("COMMANDS", [(inner, _first(one)) for inner, one in _commands(command).items()]),
        *_section("ARGUMENTS", [(_metavar(one), one.help or "") for one in _shown(command, "argument")]),
        *_section("OPTIONS", [(_option(one), one.help or "") for one in _shown(command, "option")]),
        *_section("EXIT STATUS", sorted((EXITS | CHECK_EXITS if words[-1] == "check" else EXITS).items())),
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that roff takes as it stands."""
    text = text.replace("\\", "\\(rs").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def quoted(text: str) -> str:
    """One argument of a roff request."""
    return f'"{escaped(text)}"'


def _commands(command: Any) -> dict[str, Any]:  # noqa: ANN401
    return {name: one for name, one in command.commands.items() if not one.hidden} if _is_group(command) else {}


def _is_group(command: Any) -> bool:  # noqa: ANN401
    return isinstance(command, TyperGroup)


def _shown(command: Any, kind: str) -> list[Any]:  # noqa: ANN401
    return [one for one in command.params if one.param_type_name == kind and not one.hidden]


def _option(option: Any) -> str:  # noqa: ANN401
    names = ", ".join((*option.opts, *option.secondary_opts))
    return names if option.is_flag else f"{names} {_metavar(option)}"


def _metavar(param: Any) -> str:  # noqa: ANN401
    return str(param.metavar or param.name.strip("_").upper())


def _synopsis(command: Any) -> str:  # noqa: ANN401
    arguments = " ".join(f"[{_metavar(one)}]" for one in _shown(command, "argument"))
    return escaped(f"[OPTIONS] {'COMMAND [ARGS]...' if _is_group(command) else arguments}".strip())


def _first(command: Any) -> str:  # noqa: ANN401
    return _one_line(inspect.cleandoc(command.help or "").partition("\n\n")[0])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield ".PP"
        yield escaped(paragraph)


def _section(title: str, entries: list[tuple[str, str]]) -> Iterator[str]:
    if entries:
        yield f".SH {title}"
    for term, text in entries:
        yield from (".TP", f".B {escaped(term)}", escaped(_one_line(text)))
