"""docs/architecture.md draws the rooms as the import contracts have them, and says of each what its docstring says."""

import ast
import re
import tomllib

import pytest

from tests.paths import ROOT

PACKAGES = {"gosonde_agent": "agent", "gosonde_collector": "collector"}
#: More rooms than these are no help to whoever looks for something.
MOST_ROOMS = {"gosonde_agent": 12, "gosonde_collector": 10}


def floors_of_the_contract(container: str) -> list[set[str]]:
    """What lies on each floor, from the top."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == [container]]
    return [set(re.findall(r"\w+", layer)) for layer in layers]


def section(package: str) -> str:
    """What docs/architecture.md says of the rooms of a package."""
    text = (ROOT / "docs/architecture.md").read_text()
    found = re.search(rf"^### {PACKAGES[package]}/{package}$(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section about the rooms of {package}"
    return found[1]


def floors_of_the_drawing(package: str) -> list[set[str]]:
    """The rooms between the lines of a drawing, from the top."""
    drawing = re.search(r"^```$(.*?)^```$", section(package), re.MULTILINE | re.DOTALL)
    assert drawing, f"no drawing of {package}"
    floors = [set(re.findall(r"\w+", line)) for line in drawing[1].splitlines()]
    return [floor for floor in floors if floor]


def sentences_of_the_table(package: str) -> dict[str, str]:
    """By path below the package, as the table has it."""
    return dict(re.findall(r"^\| `([\w./]+)` \| (.+) \|$", section(package), re.MULTILINE))


def first_lines(package: str) -> dict[str, str]:
    """The first line of the docstring of every room and of every file beside them."""
    folder = ROOT / PACKAGES[package] / package
    files = {f"{path.parent.name}/": path for path in folder.glob("*/__init__.py")}
    files |= {path.name: path for path in folder.glob("*.py") if path.name != "__init__.py"}
    return {name: (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0] for name, path in files.items()}


def rooms(package: str) -> set[str]:
    """The folders of a package that hold Python code."""
    folder = ROOT / PACKAGES[package] / package
    return {path.relative_to(folder).parts[0] for path in folder.glob("*/**/*.py")}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_no_more_rooms_than_one_can_keep_in_mind(package: str) -> None:
    assert 0 < len(rooms(package)) <= MOST_ROOMS[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_is_a_package_and_says_what_it_holds_in_one_sentence(package: str) -> None:
    lines = first_lines(package)
    assert {f"{room}/" for room in rooms(package)} <= set(lines)
    assert [name for name, line in lines.items() if not line.endswith(".")] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_page_says_of_each_room_what_the_room_says_of_itself(package: str) -> None:
    assert sentences_of_the_table(package) == first_lines(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_drawing_has_the_floors_that_the_contract_checks(package: str) -> None:
    assert floors_of_the_drawing(package) == floors_of_the_contract(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_contract_has_every_room_and_every_file_beside_them(package: str) -> None:
    on_floors = set().union(*floors_of_the_contract(package))
    assert on_floors == {name.removesuffix("/").removesuffix(".py") for name in first_lines(package)}
