"""The documentation has what only a real program's binary shows."""

from gosonde_agent.golang import binary
from gosonde_agent.sources.possible import possibilities
from gosonde_cli.commands import inspect

from tests import go_programs
from tests.unit.repository.test_docs import DOCS, code_words, keys_of


def test_every_key_of_what_inspect_says_is_documented() -> None:
    executable = go_programs.build("churn")
    with executable.open("rb") as file:
        keys = keys_of(inspect.as_document(binary.load(file.fileno(), str(executable)), possibilities("")))
    assert len(keys) > 3
    assert keys - code_words((DOCS / "json.md").read_text()) == set()
